"""The API over models in this process: everything but Ray."""

from __future__ import annotations

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.serving.answered import problem
from tests.serving.sent import MAX_BODY_BYTES

from glioray.registry.card import NOT_A_DEVICE
from glioray.serving.api import create_api
from glioray.serving.predictor import Predictor


def test_classify_answers_as_the_predictor_does(client, classifier, slice_of, file_of):
    answer = client.post("/v1/classify", content=file_of(slice_of(1))).json()

    expected = classifier.classify(slice_of(1))
    assert answer["label"] == expected.label
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-9)
    assert (answer["model"], answer["version"]) == ("kinds", 3)
    assert answer["notice"] == NOT_A_DEVICE
    assert answer["elapsed_ms"] > 0
    assert "picture" not in answer


def test_a_form_is_answered_as_the_bare_body(client, slice_of, file_of):
    bare = client.post("/v1/classify", content=file_of(slice_of(1))).json()
    form = client.post("/v1/classify", files={"file": ("scan.png", file_of(slice_of(1)), "image/png")}).json()

    assert form["probabilities"] == bare["probabilities"]


def test_the_declared_content_type_does_not_matter(client, slice_of, file_of):
    """curl --data-binary sends a form's type with the bytes of the file."""
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert client.post("/v1/classify", content=file_of(slice_of(1)), headers=headers).status_code == 200


def test_segment_gives_areas_and_a_mask_that_unfolds_to_the_predictors(client, segmenter, slice_of, file_of):
    answer = client.post("/v1/segment", content=file_of(slice_of(2))).json()

    expected = segmenter.segment(slice_of(2))
    mask = np.repeat(answer["mask"]["values"], answer["mask"]["counts"]).reshape(answer["mask"]["shape"])
    np.testing.assert_array_equal(mask, expected.mask)
    assert {name: area["pixels"] for name, area in answer["labels"].items()} == expected.pixels
    assert {name: area["area_share"] for name, area in answer["labels"].items()} == {
        name: pixels / mask.size for name, pixels in expected.pixels.items()
    }
    assert "SYNTHETIC" in answer["notice"]
    assert answer["scaled_by"] == "this slice alone"


def test_a_scaled_slice_is_answered_on_its_volumes_scale(client, segmenter, slice_of, file_of):
    dark = slice_of(2) // 4

    answer = client.post("/v1/segment?scaled=true", content=file_of(dark)).json()

    expected = segmenter.segment(dark, is_scaled=True)
    assert {name: area["pixels"] for name, area in answer["labels"].items()} == expected.pixels
    assert answer["scaled_by"] == "the sender"


@pytest.mark.parametrize("reference", ["regions", "regions@1", "regions@best"])
def test_a_model_is_chosen_by_name_version_or_alias(client, slice_of, file_of, reference):
    response = client.post(f"/v1/segment?model={reference}", content=file_of(slice_of(2)))

    assert response.json()["model"] == "regions"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/classify?model=kindz", "did you mean 'kinds'"),
        ("/v1/classify?model=kinds@2", "called 'kinds@2'"),
        ("/v1/classify?model=../../etc/passwd", "called '../../etc/passwd'"),
        ("/v1/classify?model=%2e%2e%2fkinds%003", r"called '../kinds\x003'"),
        ("/v1/classify?model=regions", "'regions' is for segmentation: POST to /v1/segment"),
        ("/v1/nothing", "POST /v1/nothing"),
    ],
)
def test_what_is_not_there_is_a_404_that_says_where_to_look(client, slice_of, file_of, path, words):
    assert words in problem(client.post(path, content=file_of(slice_of(1))), 404)["detail"]


def test_without_a_model_of_the_task_there_is_none_to_choose(served, slice_of, file_of):
    client = TestClient(create_api(served[1:], MAX_BODY_BYTES))

    content = problem(client.post("/v1/classify", content=file_of(slice_of(1))), 404)
    assert content["detail"] == "No model for classification is served."


def test_a_damaged_file_is_a_400_that_names_it(client, slice_of, file_of):
    half = file_of(slice_of(1))[:300]

    content = problem(client.post("/v1/classify", files={"file": ("half.png", half)}), 400)
    assert "'half.png'" in content["detail"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/v1/classify?explian=gradcam", "no 'explian'; did you mean 'explain'?"),
        ("/v1/classify?picture=true&Model=kinds", "no 'Model'; did you mean 'model'?"),
        ("/v1/segment?slice_index=3", "no 'slice_index'; did you mean 'slice'?"),
        ("/v1/segment?zzz", "no 'zzz'; there is: channels, model, picture,"),
        ("/v1/classify?" + "z" * 5000, "no '" + "z" * 80 + "'"),
    ],
)
def test_a_query_that_a_call_does_not_know_is_refused_before_the_body_is_read(client, address, words):
    assert words in problem(client.post(address, content=b""), 422)["detail"]


def test_a_job_knows_no_query_but_its_own(client):
    assert (
        "no 'pictures'; did you mean 'picture'?" in problem(client.get("/v1/jobs/a/result?pictures=1"), 422)["detail"]
    )
    assert "no 'x'; there is: none" in problem(client.delete("/v1/jobs/a?x=1"), 422)["detail"]


def test_a_wish_in_the_form_is_refused_rather_than_left_out(client, slice_of, file_of):
    sent = {"data": {"explain": "gradcam"}, "files": {"file": file_of(slice_of(1))}}
    assert "'explain' is no file" in problem(client.post("/v1/classify", **sent), 400)["detail"]


@pytest.mark.parametrize("form", [{"content": b""}, {"data": {"other": "x"}, "files": {"image": b"x"}}])
def test_no_image_is_a_400(client, form):
    problem(client.post("/v1/classify", **form), 400)


@pytest.mark.parametrize("content", [b"hello, this is text", b"%PDF-1.7 ...", b"\x89HDF\r\n\x1a\n", b"\x1f\x8b\x08"])
def test_another_format_is_a_415(client, content):
    assert "not an image" in problem(client.post("/v1/classify", content=content), 415)["detail"]


def test_another_number_of_channels_is_a_422_with_both_numbers(client, slice_of, file_of):
    content = problem(client.post("/v1/segment", content=file_of(slice_of(3))), 422)
    assert "takes 2 channels (t1, flair), the image has 3" in content["detail"]


def test_a_wrong_value_in_the_query_is_a_422(client, slice_of, file_of):
    content = problem(client.post("/v1/classify?picture=perhaps", content=file_of(slice_of(1))), 422)
    assert "picture" in content["detail"]


def test_a_body_over_the_limit_is_a_413_without_a_declared_length(client):
    chunks = (b"\x89PNG\r\n\x1a\n" + bytes(10_000) for _ in range(20))

    assert problem(client.post("/v1/classify", content=chunks), 413)["detail"] == "At most 0.1 MB are read."


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_read(client):
    def body():
        raise AssertionError("was read")
        yield b""

    problem(client.post("/v1/classify", content=body(), headers={"content-length": "100001"}), 413)


def test_a_busy_model_is_a_503_that_says_when_to_come_back(client, served, slice_of, file_of):
    served[0].state = "busy"

    response = client.post("/v1/classify", content=file_of(slice_of(1)))

    assert problem(response, 503)["title"] == "The model is busy"
    assert response.headers["retry-after"] == "7"


def test_an_error_of_ours_tells_the_client_nothing_of_it(client, served, slice_of, file_of):
    served[0].state = "broken"

    response = client.post("/v1/classify", content=file_of(slice_of(1)))

    problem(response, 500)
    assert "secret" not in response.text
    assert "Traceback" not in response.text


def test_readiness_is_that_of_every_model(client, served):
    assert client.get("/readyz").json() == {"ready": True, "models": {"kinds@3": True, "regions@1": True}}
    served[1].state = "away"

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["models"] == {"kinds@3": True, "regions@1": False}
    assert client.get("/healthz").status_code == 200


def test_models_say_what_they_answer_and_what_they_learned_from(client):
    kinds, regions = client.get("/v1/models").json()["models"]

    assert kinds["classes"] == ["glioma", "meningioma", "notumor", "pituitary"]
    assert regions["labels"] == {"necrotic": 1, "edema": 2, "enhancing": 4}
    assert regions["regions"] == {"WT": ["necrotic", "edema", "enhancing"]}
    assert (kinds["synthetic"], regions["synthetic"]) == (False, True)
    assert kinds["data_fingerprint"] == "0123456789ab"


def test_the_page_says_what_it_is_not(client):
    assert "Research use only, not a medical device" in client.get("/").text


@pytest.mark.parametrize(("route", "channels"), [("/v1/classify", 1), ("/v1/segment", 2)])
def test_an_image_of_another_kind_is_marked_and_refused_where_that_is_asked_for(
    served, slice_of, file_of, monkeypatch, route, channels
):
    monkeypatch.setattr(Predictor, "is_known", lambda self, images: [False] * len(images))
    client = TestClient(create_api(served, MAX_BODY_BYTES))

    assert client.post(route, content=file_of(slice_of(channels))).json()["in_domain"] is False
    refused = client.post(f"{route}?reject_out_of_domain=true", content=file_of(slice_of(channels)))
    assert "unlike the" in problem(refused, 422)["detail"]


def test_a_model_that_does_not_know_what_it_knows_cannot_refuse(client, slice_of, file_of):
    assert "in_domain" not in client.post("/v1/classify", content=file_of(slice_of(1))).json()

    refused = client.post("/v1/classify?reject_out_of_domain=true", content=file_of(slice_of(1)))
    assert "publish it anew" in problem(refused, 422)["detail"]


def test_a_model_has_a_card_under_each_of_its_names(client):
    for name in ("regions", "regions@1", "regions@best"):
        answer = client.get(f"/v1/models/{name}/card")
        assert (answer.status_code, answer.text) == (200, "# a card")
        assert answer.headers["content-type"].startswith("text/markdown")

    assert "did you mean 'regions'" in problem(client.get("/v1/models/region/card"), 404)["detail"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "kinds@../../1", "/etc/passwd", "kinds%00", "file:///x"]
)
def test_a_name_that_is_a_path_is_a_model_that_is_not_there(client, slice_of, file_of, name):
    """Names are compared with those that are served, and become no path."""
    for answer in (
        client.post(f"/v1/classify?model={name}", content=file_of(slice_of(1))),
        client.get(f"/v1/models/{name}/card"),
        client.get(f"/v1/jobs/{name}"),
    ):
        assert answer.status_code == 404
        assert "root:" not in answer.text
