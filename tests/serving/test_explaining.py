from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from glioray.data.preprocessing import Frame
from glioray.errors import ModelError
from glioray.explain.gradcam import gradcam
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle, fresh_network
from glioray.registry.ensemble import Named, average
from glioray.serving.answering import Explanation, Reply, Wish, answer_all
from glioray.serving.explaining import explain, known_methods, uncertainty
from glioray.serving.predictor import Predictor, PreparedSlice, stacked
from glioray.serving.problems import Problem
from glioray.serving.upload import Upload

VIT = {"name": "vit", "dim": 16, "depth": 2, "heads": 2, "mlp": 16, "patch_size": 16}


class BrightSpots(nn.Module):
    """A block whose map is bright where the image is, and a head that sums it for the first class."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 1, 4, stride=4))
        nn.init.constant_(self.block[0].weight, 1 / 16)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        total = self.block(images).relu().mean((2, 3))
        return torch.cat([total, torch.zeros(len(images), 3)], dim=1)


def with_model(bundle: ModelBundle, **settings: object) -> ModelBundle:
    recipe = Recipe.from_values(bundle.config.recipe)
    values = recipe.values() | {"model": settings}
    changed = bundle.config.model_copy(update={"recipe": Recipe.from_values(values).values()})
    torch.manual_seed(1)
    return ModelBundle(changed, fresh_network(changed).state_dict())


def with_flips(bundle: ModelBundle, flips: str) -> ModelBundle:
    recipe = Recipe.from_values(bundle.config.recipe).with_values("answer.flips", flips)
    return replace(bundle, config=bundle.config.model_copy(update={"recipe": recipe.values()}))


@pytest.fixture(scope="module")
def vit(classifier_bundle) -> Predictor:
    return Predictor.load(with_model(classifier_bundle, **VIT))


def test_a_map_lies_in_the_grid_of_the_raw_slice_with_its_peak_where_the_picture_is_bright(classifier_bundle):
    predictor = replace(Predictor.load(classifier_bundle), network=BrightSpots())
    raw = np.full((1, 120, 90), 60, dtype=np.uint8)
    raw[0, 70:80, 20:30] = 255

    (heat,) = explain(predictor, [predictor.prepare(raw)], ["glioma"], "gradcam")

    assert heat.values.shape == (120, 90)
    assert heat.values.dtype == np.float32
    assert 0 <= heat.values.min() < heat.values.max() <= 1
    row, column = heat.peak
    assert heat.values[row, column] == heat.values.max()
    assert 68 <= row < 82
    assert 18 <= column < 32


def test_where_nothing_speaks_for_the_class_there_is_no_peak(classifier_bundle, slice_of):
    predictor = replace(Predictor.load(classifier_bundle), network=BrightSpots())

    (heat,) = explain(predictor, [predictor.prepare(slice_of(1))], ["pituitary"], "gradcam")

    assert heat.peak is None
    assert not heat.values.any()


@pytest.mark.parametrize("method", ["gradcam", "attention"])
def test_a_batch_is_explained_as_one_by_one(vit, slice_of, method):
    slices = [vit.prepare(slice_of(1, 60 + seed, 50, seed)) for seed in range(3)]
    labels = ["glioma", "notumor", "glioma"]

    together = explain(vit, slices, labels, method)

    for prepared, label, heat in zip(slices, labels, together, strict=True):
        (alone,) = explain(vit, [prepared], [label], method)
        np.testing.assert_allclose(alone.values, heat.values, atol=1e-5)


def test_an_answer_over_mirrored_copies_is_explained_over_them(classifier_bundle, slice_of):
    once, twice = (Predictor.load(with_flips(classifier_bundle, flips)) for flips in ("none", "horizontal"))
    prepared = PreparedSlice(slice_of(1, 80, 80), Frame(80, 80, top=0, left=0, side=80, image_size=80))
    mirrored = replace(prepared, image=prepared.image[..., ::-1].copy())
    plain, other = (explain(once, [one], ["glioma"], "gradcam")[0].values for one in (prepared, mirrored))

    (heat,) = explain(twice, [prepared], ["glioma"], "gradcam")

    mean = plain + other[:, ::-1]
    np.testing.assert_allclose(heat.values, mean / mean.max(), atol=1e-4)


def test_an_average_is_explained_by_the_mean_over_its_members(classifier_bundle, slice_of):
    other = with_model(classifier_bundle, name="custom_cnn")
    both = Predictor.load(average([Named("one", classifier_bundle), Named("two", other)]))
    members = [Predictor.load(classifier_bundle), Predictor.load(other)]
    prepared = both.prepare(slice_of(1, 80, 80))
    mean = sum(explain(one, [prepared], ["glioma"], "gradcam")[0].values for one in members)

    (heat,) = explain(both, [prepared], ["glioma"], "gradcam")

    np.testing.assert_allclose(heat.values, mean / mean.max(), atol=1e-4)


def test_an_average_with_a_cnn_has_no_attention(classifier_bundle, slice_of):
    vit_bundle = with_model(classifier_bundle, **VIT)
    mixed = average([Named("cnn", classifier_bundle), Named("vit", vit_bundle)])
    predictor = Predictor.load(mixed)

    assert known_methods(mixed.config) == ("gradcam",)
    assert known_methods(vit_bundle.config) == ("gradcam", "attention")
    with pytest.raises(ModelError, match="can be explained by gradcam only"):
        explain(predictor, [predictor.prepare(slice_of(1))], ["glioma"], "attention")


def test_a_segmentation_model_has_no_class_to_explain(segmenter, segmenter_bundle, slice_of, file_of):
    (answer,) = answer_all(segmenter, [Upload(file_of(slice_of(2)), "a.npy")], [Wish(explain="gradcam")])

    assert known_methods(segmenter_bundle.config) == ()
    assert isinstance(answer, Problem)
    assert answer.status == 422
    assert "is no classifier" in answer.detail


def test_only_those_who_ask_are_explained_and_the_others_answered_as_ever(classifier, slice_of, file_of, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "glioray.serving.explaining.heat_maps",
        lambda network, images, classes, method: asked.append(len(images)) or gradcam(network, images, classes),
    )
    uploads = [Upload(file_of(slice_of(1, seed=seed)), f"{seed}.png") for seed in range(3)]

    answer_all(classifier, uploads, [Wish()] * 3)
    assert asked == []
    replies = answer_all(classifier, uploads, [Wish(), Wish(explain="gradcam"), Wish()])

    assert asked == [1]
    assert [reply.explanation is not None for reply in replies] == [False, True, False]
    for reply, upload in zip(replies, uploads, strict=True):
        (plain,) = answer_all(classifier, [upload], [Wish()])
        assert reply.answer.probabilities == pytest.approx(plain.answer.probabilities, abs=1e-6)


def test_what_is_explained_is_the_class_that_is_answered(classifier, slice_of, file_of):
    (reply,) = answer_all(classifier, [Upload(file_of(slice_of(1)), "a.png")], [Wish(explain="gradcam")])

    (heat,) = explain(classifier, [classifier.prepare(slice_of(1))], [reply.answer.label], "gradcam")
    assert isinstance(reply, Reply)
    assert isinstance(reply.explanation, Explanation)
    assert (reply.explanation.method, reply.explanation.label) == ("gradcam", reply.answer.label)
    assert reply.explanation.peak == heat.peak


def test_a_network_without_a_map_is_a_problem_of_the_one_who_asked(classifier_bundle, slice_of, file_of):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(80 * 80, 4))
    predictor = replace(Predictor.load(classifier_bundle), network=flat)
    upload = Upload(file_of(slice_of(1)), "a.png")

    plain, refused = answer_all(predictor, [upload] * 2, [Wish(), Wish(explain="gradcam")])

    assert isinstance(plain, Reply)
    assert refused.status == 422


def test_after_an_explanation_the_network_has_no_gradients_and_answers_as_before(classifier, slice_of):
    prepared = classifier.prepare(slice_of(1))
    before = classifier.predict(stacked([prepared]))

    explain(classifier, [prepared], ["glioma"], "gradcam")

    assert torch.equal(classifier.predict(stacked([prepared])), before)
    assert all(weight.grad is None and not weight.requires_grad for weight in classifier.network.parameters())


def test_a_model_that_is_as_sure_in_every_mirror_is_sure_and_one_that_wavers_is_not(segmenter_bundle):
    """The network says `necrotic` in the upper left quarter, so that in each quarter one copy of four does."""
    predictor = replace(Predictor.load(segmenter_bundle), network=UpperLeft())
    prepared = predictor.prepare(np.full((2, 64, 64), 100, dtype=np.uint8))

    (bits,) = uncertainty(predictor, [prepared])

    quarter = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert bits.shape == (64, 64)
    np.testing.assert_allclose(bits, quarter, atol=1e-4)


def test_the_uncertainty_of_a_sure_model_is_zero_and_of_one_that_cannot_say_one(segmenter_bundle):
    predictor = replace(Predictor.load(segmenter_bundle), network=UnsureOfTheBright())
    raw = np.zeros((2, 64, 32), dtype=np.uint8)
    raw[:, 32:] = 255

    (bits,) = uncertainty(predictor, [predictor.prepare(raw, is_scaled=True)])

    assert bits.shape == (64, 32)
    np.testing.assert_allclose(bits[:32], 0, atol=1e-4)
    np.testing.assert_allclose(bits[32:], 1, atol=1e-4)


def test_the_mean_uncertainty_is_over_the_labels_that_were_found(segmenter, slice_of, file_of):
    wishes = [Wish(uncertainty=True), Wish()]
    reply, plain = answer_all(segmenter, [Upload(file_of(slice_of(2)), "a.npy")] * 2, wishes)

    (bits,) = uncertainty(segmenter, [segmenter.prepare(slice_of(2))])
    mask = segmenter.segment(slice_of(2)).mask
    assert reply.uncertainty.mean == pytest.approx(bits[mask > 0].mean(), abs=1e-5)
    assert plain.uncertainty is None
    assert (reply.answer, plain.answer) == (plain.answer, reply.answer)


class UpperLeft(nn.Module):
    """Sure of the first label in the upper left quarter, whatever the image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = torch.full((len(images), 3, 32, 32), -40.0)
        logits[:, 0, :16, :16] = 40.0
        return logits


class UnsureOfTheBright(nn.Module):
    """Cannot say where its image is bright."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = torch.where(images[:, :1] > 0, 0.0, -40.0)
        return torch.cat([bright, torch.full_like(bright, -40.0), torch.full_like(bright, -40.0)], dim=1)
