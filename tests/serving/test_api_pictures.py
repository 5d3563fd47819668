"""Pictures that the API draws of a slice: of its labels, of what decided, of how unsure a mask is."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from tests.serving.answered import problem

from glioray.serving.drawing import heat_overlay
from glioray.serving.explaining import explain, uncertainty


def picture_of(data_uri):
    content = base64.b64decode(data_uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)))


def test_segment_draws_the_labels_where_a_png_is_accepted(client, segmenter, slice_of, file_of):
    response = client.post("/v1/segment", content=file_of(slice_of(2)), headers={"accept": "image/png"})

    drawn = np.asarray(Image.open(io.BytesIO(response.content))).astype(int)
    labeled = segmenter.segment(slice_of(2)).mask > 0
    is_colored = np.ptp(drawn, axis=2) > 0
    assert response.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(is_colored, labeled)


def test_the_picture_is_the_slice_that_was_sent(client, slice_of, file_of):
    answer = client.post("/v1/segment?picture=true", content=file_of(slice_of(2))).json()

    np.testing.assert_array_equal(picture_of(answer["picture"]), slice_of(2)[1])  # flair


def test_classify_explains_the_class_that_it_answers(client, classifier, slice_of, file_of):
    answer = client.post("/v1/classify?explain=gradcam", content=file_of(slice_of(1))).json()

    (heat,) = explain(classifier, [classifier.prepare(slice_of(1))], [answer["label"]], "gradcam")
    explanation = answer["explanation"]
    assert (explanation["method"], explanation["label"]) == ("gradcam", answer["label"])
    assert explanation["peak"] == list(heat.peak)
    np.testing.assert_array_equal(picture_of(explanation["overlay"]), heat_overlay(slice_of(1)[0], heat.values))
    assert "explanation" not in client.post("/v1/classify", content=file_of(slice_of(1))).json()


def test_a_method_that_a_model_cannot_do_is_a_422_that_says_which_it_can(client, slice_of, file_of):
    content = problem(client.post("/v1/classify?explain=attention", content=file_of(slice_of(1))), 422)

    assert "custom_cnn can be explained by gradcam only" in content["detail"]
    assert [model["explanations"] for model in client.get("/v1/models").json()["models"]] == [["gradcam"], []]


def test_a_method_that_nobody_has_is_a_422_that_names_those_there_are(client, slice_of, file_of):
    content = problem(client.post("/v1/classify?explain=magic", content=file_of(slice_of(1))), 422)

    assert "'gradcam' or 'attention'" in content["detail"]


def test_segment_draws_how_unsure_it_is(client, segmenter, slice_of, file_of):
    answer = client.post("/v1/segment?uncertainty=true", content=file_of(slice_of(2))).json()

    (bits,) = uncertainty(segmenter, [segmenter.prepare(slice_of(2))])
    np.testing.assert_array_equal(picture_of(answer["uncertainty"]), np.rint(255 * bits))
    assert answer["mean_uncertainty"] == pytest.approx(bits[segmenter.segment(slice_of(2)).mask > 0].mean(), abs=1e-5)
    assert "uncertainty" not in client.post("/v1/segment", content=file_of(slice_of(2))).json()


def test_the_uncertainty_of_a_volume_is_refused(client, slice_of, file_of):
    volume = np.stack([slice_of(2)] * 3)

    content = problem(client.post("/v1/segment?uncertainty=true", content=file_of(volume)), 422)

    assert content["detail"].startswith("uncertainty=true: for a slice only")
