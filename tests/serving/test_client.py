"""`glioray.client` and `glioray ask` against the API behind uvicorn, on the loopback."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from PIL import Image
from tests.serving.browser import running
from typer.testing import CliRunner

from glioray.cli import app
from glioray.client import Client, save_picture
from glioray.errors import RequestError
from glioray.serving.api import create_api


@pytest.fixture(scope="module")
def kinds(local_model, classifier):
    return local_model("kinds", classifier)


@pytest.fixture(scope="module")
def regions(local_model, volume_segmenter):
    return local_model("regions", volume_segmenter)


@pytest.fixture(scope="module")
def seen():
    """The headers of every request."""
    return []


@pytest.fixture(scope="module")
def url(kinds, regions, seen):
    api = create_api([kinds, regions], 10_000_000)

    @api.middleware("http")
    async def note(request, call_next):
        seen.append((request.method, request.url.path, request.headers.get("authorization")))
        return await call_next(request)

    with running(api) as url:
        yield url


def np_file(pixels):
    stream = io.BytesIO()
    np.save(stream, pixels)
    return stream.getvalue()


@pytest.fixture
def scan(tmp_path, head_of, nifti_of):
    files = {}
    for name, voxels in head_of().items():
        files[name] = tmp_path / f"{name}.nii"
        files[name].write_bytes(nifti_of(voxels))
    return files


@pytest.fixture
def picture(tmp_path, slice_of, file_of):
    path = tmp_path / "scan.png"
    path.write_bytes(file_of(slice_of(1)))
    return path


def test_an_image_is_classified_by_its_path_or_its_bytes(url, picture, classifier, slice_of):
    expected = classifier.classify(slice_of(1))

    with Client(url) as client:
        answers = [client.classify(picture), client.classify(str(picture)), client.classify(picture.read_bytes())]

    for answer in answers:
        assert answer["label"] == expected.label
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)


def test_an_answer_explains_itself_and_its_picture_is_saved(url, picture, tmp_path):
    with Client(url) as client:
        explanation = client.classify(picture, explain="gradcam")["explanation"]
        saved = save_picture(explanation["overlay"], tmp_path / "overlay.png")
        unsure = client.segment(np_file(np.ones((4, 24, 28))), uncertainty=True)

    assert explanation["method"] == "gradcam"
    assert Image.open(saved).size == Image.open(picture).size
    assert list(tmp_path.glob(".*")) == []
    assert unsure["uncertainty"].startswith("data:image/png")


def test_a_volume_is_waited_for_with_progress_and_its_mask_saved_as_nifti(url, scan, tmp_path, seen):
    progress = []
    with Client(url) as client:
        found = client.segment_volume(scan, tmp_path / "mask.nii.gz", on_progress=lambda *step: progress.append(step))

    mask = np.asarray(nibabel.load(found.mask).dataobj)
    np.testing.assert_array_equal(nibabel.load(found.mask).affine, nibabel.load(scan["t1"]).affine)
    assert found.volumes_ml["edema"] == pytest.approx((mask == 2).sum() * 0.002)
    assert set(found.volumes_ml) == {"necrotic", "edema", "enhancing", "WT", "TC"}
    assert progress[-1] == (6, 6)
    assert seen[-1][0] == "DELETE"  # what was fetched is not left lying in the service
    assert list(tmp_path.glob(".*")) == []


def test_an_interrupted_wait_takes_the_job_back(url, scan, regions, seen):
    def interrupt(done, total):
        raise KeyboardInterrupt

    regions.hold = True
    try:
        with Client(url) as client, pytest.raises(KeyboardInterrupt):
            client.segment_volume(scan, on_progress=interrupt)
    finally:
        regions.hold = False
    assert seen[-1][0] == "DELETE"


def test_a_slice_is_not_waited_for_as_a_volume(url, tmp_path, slice_of, file_of):
    with Client(url) as client:
        assert client.segment(file_of(slice_of(4)))["labels"]
        with pytest.raises(RequestError, match="took what was sent for a slice"):
            client.segment_volume(file_of(slice_of(4)))


def test_a_refusal_is_an_error_in_the_words_of_the_service(url, scan, picture):
    scan.pop("flair")
    with Client(url) as client:
        with pytest.raises(RequestError, match=r"does not fit the model \(422\): .*missing flair") as caught:
            client.segment_volume(scan)
        assert caught.value.status == 422
        with pytest.raises(RequestError, match="There is no such model") as caught:
            client.classify(picture, model="kindz")
        assert caught.value.status == 404


def test_the_key_goes_with_every_request(url, picture, seen):
    with Client(url, key="secret") as client:
        client.classify(picture)

    assert seen[-1] == ("POST", "/v1/classify", "Bearer secret")


def test_where_nothing_answers_it_says_so():
    with Client("http://127.0.0.1:9") as client, pytest.raises(RequestError, match="cannot be asked") as caught:
        client.models()
    assert caught.value.status is None


def test_what_is_no_service_of_ours_is_shown_in_its_own_words(picture):
    async def other(scope, receive, send):
        if scope["type"] != "lifespan":
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"9")]})
            await send({"type": "http.response.body", "body": b"gateway of the hospital"})

    words = "answered 503: gateway of the hospital"
    with running(other) as url, Client(url) as client, pytest.raises(RequestError, match=words) as caught:
        client.classify(picture)
    assert caught.value.retry_after_s == 9


def test_the_client_loads_neither_torch_nor_ray():
    code = "import glioray.client, sys; print(sorted({'torch', 'ray', 'numpy'} & set(sys.modules)))"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_ask_says_what_an_image_shows(url, picture, classifier, slice_of):
    done = CliRunner().invoke(app, ["ask", url, str(picture)])

    assert done.exit_code == 0, done.output
    assert classifier.classify(slice_of(1)).label in done.output
    assert "kinds@1" in done.output


def test_ask_saves_what_the_class_came_from(url, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    shown = CliRunner().invoke(app, ["ask", url, str(picture), "--explain", "gradcam"])
    facts = CliRunner().invoke(app, ["ask", url, str(picture), "--explain", "gradcam", "--json"])

    assert shown.exit_code == 0, shown.output
    assert "most at row" in shown.output
    assert "scan-gradcam.png" in shown.output
    assert Image.open(tmp_path / "scan-gradcam.png").size == Image.open(picture).size
    assert json.loads(facts.output)["explanation"]["overlay"] == "scan-gradcam.png"


def test_ask_explains_no_volume_and_hands_on_what_the_service_refuses(url, picture, scan):
    volume = CliRunner().invoke(app, ["ask", url, f"flair={scan['flair']}", f"t1={scan['t1']}", "--explain", "gradcam"])
    refused = CliRunner().invoke(app, ["ask", url, str(picture), "--explain", "attention"])

    assert "this is a volume" in str(volume.exception)
    assert "can be explained by gradcam only" in str(refused.exception)


def test_ask_says_the_millilitres_of_a_volume_and_saves_its_mask(url, scan, tmp_path):
    mask = tmp_path / "out.nii.gz"
    files = [f"{name}={path}" for name, path in scan.items()]

    done = CliRunner().invoke(app, ["ask", url, *files, "--mask", str(mask), "--json"])

    facts = json.loads(done.output)
    labeled = np.asarray(nibabel.load(mask).dataobj)
    assert facts["labels"]["edema"]["voxels"] == int((labeled == 2).sum())
    assert facts["mask"] == str(mask)


@pytest.mark.parametrize(
    ("files", "words"),
    [(["flair=a.nii", "b.nii"], "'b.nii': of several files"), (["t1=a.nii", "t1=b.nii"], "'t1' is given 2 times")],
)
def test_ask_refuses_files_that_do_not_say_what_they_are(files, words):
    done = CliRunner().invoke(app, ["ask", "http://127.0.0.1:9", *files])

    assert isinstance(done.exception, RequestError)
    assert words in str(done.exception)
