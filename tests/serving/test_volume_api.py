"""Volumes over HTTP, with the models in this process."""

from __future__ import annotations

import gzip
import io
import itertools
import time

import nibabel
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.serving.answered import problem
from tests.serving.sent import MAX_BODY_BYTES

from glioray.serving.api import create_api
from glioray.serving.predictor import Predictor
from glioray.serving.problems import ProblemError
from glioray.serving.upload import Room
from glioray.serving.volume_settings import VolumeArgs

ARGS = VolumeArgs(max_body_mb=2)
RESPOND_ASYNC = {"Prefer": "wait=5, respond-async"}


@pytest.fixture
def model(local_model, volume_segmenter):
    return local_model("regions", volume_segmenter)


@pytest.fixture
def client(local_model, model, classifier):
    with TestClient(create_api([model, local_model("kinds", classifier)], MAX_BODY_BYTES, ARGS)) as client:
        yield client


@pytest.fixture
def files(head_of, nifti_of):
    return {name: (f"{name}.nii", nifti_of(voxels)) for name, voxels in head_of().items()}


def unfolded(answer):
    rows, columns = answer["shape"][1:]
    return np.stack([np.repeat(s["values"], s["counts"]).reshape(rows, columns) for s in answer["slices"]])


def wait_for(client, address, state):
    for _ in range(400):
        status = client.get(address).json()
        if status["state"] == state:
            return status
        time.sleep(0.005)
    raise AssertionError(status)


def test_a_volume_is_answered_in_ml_by_label_and_region_with_every_slice_of_the_mask(client, files, model):
    answer = client.post("/v1/segment", files=files).json()

    mask = unfolded(answer)
    assert answer["shape"] == list(mask.shape) == [6, 28, 24]
    assert answer["spacing_mm"] == [2.0, 1.0, 1.0]
    counts = {name: int((mask == value).sum()) for name, value in model.info.labels.items()}
    assert {name: label["voxels"] for name, label in answer["labels"].items()} == counts
    assert {name: label["volume_ml"] for name, label in answer["labels"].items()} == {
        name: pytest.approx(count * 0.002) for name, count in counts.items()
    }
    assert answer["regions"]["TC"]["voxels"] == counts["necrotic"] + counts["enhancing"] > 0
    assert answer["regions"]["WT"]["volume_ml"] == pytest.approx(sum(counts.values()) * 0.002)
    for slice_, labels in zip(answer["slices"], mask, strict=True):
        assert slice_["pixels"]["edema"] == int((labels == 2).sum())
    assert "Research use only" in answer["notice"]


@pytest.mark.parametrize(
    "accept", ["application/gzip", "application/x-nifti", "application/json;q=0.1, */gzip, application/gzip"]
)
def test_the_mask_is_a_nifti_with_the_affine_of_the_scan(client, files, accept):
    response = client.post("/v1/segment", files=files, headers={"accept": accept})

    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(response.content))
    scan = nibabel.Nifti1Image.from_bytes(files["t1"][1])
    assert response.headers["content-type"] == "application/gzip"
    assert "mask.nii.gz" in response.headers["content-disposition"]
    np.testing.assert_array_equal(mask.affine, scan.affine)
    in_json = unfolded(client.post("/v1/segment", files=files).json())
    np.testing.assert_array_equal(np.asarray(mask.dataobj).T, in_json)


def test_a_png_is_the_slice_that_is_asked_for_or_the_one_with_the_most_tumor(client, files):
    answer = client.post("/v1/segment", files=files).json()
    mask = unfolded(answer)

    for query, number in (("?slice=1", 1), ("", answer["fullest_slice"])):
        response = client.post(f"/v1/segment{query}", files=files, headers={"accept": "image/png"})
        drawn = np.asarray(Image.open(io.BytesIO(response.content))).astype(int)
        assert response.headers["content-type"] == "image/png"
        np.testing.assert_array_equal(np.ptp(drawn, axis=2) > 0, mask[number] > 0)
    content = problem(client.post("/v1/segment?slice=6", files=files, headers={"accept": "image/png"}), 422)
    assert "wanted 0 to 5" in content["detail"]


def test_a_zip_of_dicom_is_answered_in_the_millimetres_of_its_slices(client, head_of, series_of, zip_of):
    titles = {"AX T2 FLAIR": "flair", "AX T1": "t1", "AX T1 POST GD": "t1ce", "AX T2": "t2"}
    head = head_of()
    members = {k: v for t, name in titles.items() for k, v in series_of(head[name].T.astype(np.uint16), t).items()}

    answer = client.post("/v1/segment", content=zip_of(members)).json()

    assert answer["spacing_mm"] == pytest.approx([5.0, 0.9, 0.8])
    assert answer["voxel_ml"] == pytest.approx(0.0036)


def test_an_array_without_spacing_has_voxels_but_no_ml(client, head_of):
    stream = io.BytesIO()
    np.save(stream, np.stack([voxels.T for voxels in head_of().values()]))

    answer = client.post("/v1/segment", content=stream.getvalue()).json()

    assert (answer["spacing_mm"], answer["voxel_ml"], answer["labels"]["edema"]["volume_ml"]) == (None, None, None)
    assert answer["labels"]["edema"]["voxels"] > 0


def test_a_single_dicom_is_a_slice_for_both_questions(client, classifier, head_of, series_of):
    pixels = head_of()["t1"].T.astype(np.uint16)
    content = next(iter(series_of(pixels[3:4], "T1").values()))

    answer = client.post("/v1/classify", content=content).json()

    assert answer["probabilities"] == pytest.approx(classifier.classify(pixels[3:4]).probabilities, abs=1e-6)
    detail = problem(client.post("/v1/segment", content=content), 422)["detail"]
    assert "takes 4 channels" in detail


def test_a_dicom_of_another_kind_is_refused_by_name(client, head_of, series_of):
    content = next(iter(series_of(head_of()["t1"].T[:1].astype(np.uint16), "T1").values()))

    detail = problem(client.post("/v1/classify", content=content.replace(b"CS\x02\x00MR", b"CS\x02\x00CT")), 422)[
        "detail"
    ]

    assert "computed tomography, not MR" in detail


def test_a_volume_is_not_classified_and_says_to_send_a_slice(client, files):
    for sent in ({"files": files}, {"content": files["t1"][1]}):
        content = problem(client.post("/v1/classify", **sent), 422)
        assert "one slice" in content["detail"]
        assert "/v1/segment" in content["detail"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (lambda files: files.pop("flair"), 422, "missing flair"),
        (lambda files: files.update(t2=("t2.png", b"\x89PNG\r\n\x1a\n")), 400, "'t2.png' is no NIfTI volume"),
        (lambda files: files.update(file=files["t1"]), 400, "a part file and others"),
        (lambda files: files.update(t2=("t2.nii", files["t2"][1][:400])), 400, "'t2.nii'"),
    ],
)
def test_a_form_that_is_no_volume_is_a_problem_that_names_the_part(client, files, change, status, words):
    change(files)

    assert words in problem(client.post("/v1/segment", files=files), status)["detail"]


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<i2', 'fortran_order': False, 'shape': ((((4, 6, 28, 24)\n",
        b"-" * 5000 + b"1\n",
        b"1+" * 4000 + b"1\n",
    ],
    ids=["not closed", "signs", "sums"],
)
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/segment"])
def test_an_array_whose_header_breaks_its_reader_is_a_400(client, path, header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100)

    assert "not a usable .npy" in problem(client.post(path, content=content), 400)["detail"]


def test_a_volume_carries_no_scale_of_its_sender(client, files):
    assert "Leave it out" in problem(client.post("/v1/segment?scaled=true", files=files), 422)["detail"]


def test_a_body_over_the_limit_of_volumes_is_a_413(client):
    assert problem(client.post("/v1/segment", content=bytes(2_000_001)), 413)["detail"] == "At most 2 MB are read."


def test_a_large_body_is_read_only_where_its_length_is_declared(client, files):
    files["t1"] = ("t1.nii", files["t1"][1] + bytes(200_000))  # over the 0.1 MB of a slice
    request = client.build_request("POST", "/v1/segment", files=files)
    body = request.read()
    headers = {"content-type": request.headers["content-type"]}

    assert client.post("/v1/segment", content=body, headers=headers).status_code == 200
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    assert problem(client.post("/v1/segment", content=pieces, headers=headers), 413)


def test_nothing_that_is_sent_lies_on_a_disk(client, files, monkeypatch):
    rolled = []
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", lambda self: rolled.append(self))
    head = dict(files)
    head["t1"] = ("t1.nii", files["t1"][1] + bytes(1_200_000))

    assert client.post("/v1/segment", files=head).status_code == 200
    assert rolled == []


def test_a_volume_as_a_job_tells_its_progress_and_gives_every_form(client, files, model):
    model.hold = True
    response = client.post("/v1/segment", files=files, headers=RESPOND_ASYNC)

    address = response.headers["location"]
    assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")
    assert address == f"/v1/jobs/{response.json()['job']}"
    status = wait_for(client, address, "running")
    assert status["slices_done"] < 6
    content = problem(client.get(f"{address}/result"), 409)
    assert "slices are done" in content["detail"]
    model.hold = False
    status = wait_for(client, address, "done")
    assert (status["slices_done"], status["slices"], status["result"]) == (6, 6, f"{address}/result")
    at_once = client.post("/v1/segment", files=files).json()
    later = client.get(f"{address}/result").json()
    assert later["slices"] == at_once["slices"]
    mask = client.get(f"{address}/result", headers={"accept": "application/gzip"}).content
    assert nibabel.Nifti1Image.from_bytes(gzip.decompress(mask)).shape == (24, 28, 6)


def test_a_deleted_job_stops_between_batches_and_is_gone(client, files, model):
    model.hold = True
    address = client.post("/v1/segment", files=files, headers=RESPOND_ASYNC).headers["location"]
    wait_for(client, address, "running")

    assert client.delete(address).status_code == 204

    before = model.batches
    model.hold = False
    problem(client.get(address), 404)
    problem(client.delete(address), 404)
    assert client.post("/v1/segment", files=files).status_code == 200  # its turn was given away
    assert model.batches - before == 5  # those of the second volume alone: none of the first went on


def test_a_failed_job_says_so_and_its_result_is_the_problem(client, files):
    files.pop("flair")
    address = client.post("/v1/segment", files=files, headers=RESPOND_ASYNC).headers["location"]

    status = wait_for(client, address, "failed")

    assert "missing flair" in status["problem"]
    assert status["result"] is None
    assert "missing flair" in problem(client.get(f"{address}/result"), 422)["detail"]


def test_a_slice_of_a_finished_job_is_shown_in_every_channel_of_the_model(client, files):
    address = client.post("/v1/segment", files=files, headers=RESPOND_ASYNC).headers["location"]
    wait_for(client, address, "done")

    pictures = client.get(f"{address}/slices/2").json()["pictures"]

    shown = client.get(f"{address}/result?picture=true").json()["slices"][2]["picture"]
    assert list(pictures) == ["t1", "t1ce", "t2", "flair"]
    assert pictures["flair"] == shown
    assert len(set(pictures.values())) == 4
    assert "the volume has 6" in problem(client.get(f"{address}/slices/6"), 422)["detail"]
    problem(client.get(f"{address}/slices/-1"), 422)


def test_slices_are_answered_while_a_volume_is_worked_on(client, files, model, slice_of, file_of):
    model.hold = True
    address = client.post("/v1/segment", files=files, headers=RESPOND_ASYNC).headers["location"]
    wait_for(client, address, "running")

    assert client.post("/v1/classify", content=file_of(slice_of(1))).status_code == 200
    assert client.post("/v1/segment", content=file_of(slice_of(4))).json()["labels"]

    model.hold = False
    wait_for(client, address, "done")


def test_the_preference_changes_nothing_for_a_slice(client, slice_of, file_of):
    assert client.post("/v1/segment", content=file_of(slice_of(4)), headers=RESPOND_ASYNC).status_code == 200


def test_the_api_describes_volumes_and_jobs(client):
    paths = client.get("/openapi.json").json()["paths"]

    answers = paths["/v1/segment"]["post"]["responses"]
    assert {"application/json", "application/gzip", "image/png"} <= set(answers["200"]["content"])
    assert "202" in answers
    assert set(paths["/v1/jobs/{job_id}"]) == {"get", "delete"}


@pytest.mark.parametrize(("known", "expected"), [((True, False), True), ((True, False, False), False), ((None,), None)])
def test_a_volume_is_known_where_half_of_its_slices_are(client, files, monkeypatch, known, expected):
    turns = itertools.cycle(known)
    monkeypatch.setattr(Predictor, "is_known", lambda self, images: [next(turns) for _ in images])

    assert client.post("/v1/segment", files=files).json()["in_domain"] is expected


def test_a_volume_of_another_kind_is_refused_where_that_is_asked_for_as_a_job_too(client, files, monkeypatch):
    monkeypatch.setattr(Predictor, "is_known", lambda self, images: [False] * len(images))
    address = "/v1/segment?reject_out_of_domain=true"

    assert "unlike the t1, t1ce, t2, flair images" in problem(client.post(address, files=files), 422)["detail"]
    job = client.post(address, files=files, headers=RESPOND_ASYNC).headers["Location"]
    assert "Not an image that the model knows" in wait_for(client, job, "failed")["problem"]


def test_large_bodies_on_their_way_are_bounded_together():
    room = Room(10_000, retry_after_s=7)
    with room.taken(9_000):
        with pytest.raises(ProblemError) as caught, room.taken(1_001):
            raise AssertionError("was let in")
        with room.taken(1_000):
            pass
    with room.taken(10_000):
        pass
    assert (caught.value.problem.status, caught.value.problem.retry_after_s) == (503, 7)
