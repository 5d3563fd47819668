from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from glioray.data.preprocessing import normalize
from glioray.errors import ModelError
from glioray.recipe import Recipe
from glioray.registry.bundle import Calibration, ModelBundle
from glioray.registry.ensemble import Named, average
from glioray.registry.store import Published
from glioray.serving.answering import Labeled, Wish, answer_all
from glioray.serving.domain import Domain, look
from glioray.serving.predictor import Predictor
from glioray.serving.schemas import ModelInfo
from glioray.serving.upload import Upload


def test_a_batch_gives_the_probabilities_of_one_by_one(classifier, slice_of):
    slices = [classifier.prepare(slice_of(1, 60 + seed, 50, seed)) for seed in range(5)]

    together = classifier.classify_batch(slices)

    for prepared, answer in zip(slices, together, strict=True):
        assert classifier.classify_batch([prepared])[0].probabilities == pytest.approx(answer.probabilities, abs=1e-6)


def test_segmenting_a_batch_gives_the_masks_of_one_by_one(segmenter, slice_of):
    raws = [slice_of(2, 40, 30 + seed, seed) for seed in range(4)]

    together = segmenter.segment_batch([segmenter.prepare(raw) for raw in raws])

    for raw, answer in zip(raws, together, strict=True):
        np.testing.assert_array_equal(segmenter.segment(raw).mask, answer.mask)


def test_the_answer_is_the_network_on_the_prepared_and_normalized_image(classifier, classifier_bundle, slice_of):
    prepared = classifier.prepare(slice_of(1))
    pixels = normalize(torch.from_numpy(prepared.image[None]), classifier_bundle.config.normalization)
    with torch.no_grad():
        expected = classifier_bundle.build()(pixels).softmax(1)[0]

    answer = classifier.classify(slice_of(1))

    assert list(answer.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert answer.label == classifier_bundle.config.contents.classes[int(expected.argmax())]
    assert answer.confidence == max(answer.probabilities.values())


def test_the_mask_lies_in_the_grid_of_the_raw_slice(segmenter, slice_of):
    answer = segmenter.segment(slice_of(2, 64, 32))

    assert answer.mask.shape == (64, 32)
    assert set(np.unique(answer.mask)) <= {0, 1, 2, 4}
    assert answer.pixels == {name: int((answer.mask == value).sum()) for name, value in LABELS.items()}
    assert sum(answer.pixels.values()) > 0


def test_a_label_comes_back_where_it_was_in_the_raw_slice(segmenter_bundle):
    """The network is replaced by one that says `necrotic` where its first channel is bright."""
    predictor = replace(Predictor.load(segmenter_bundle), network=_Bright())
    raw = np.zeros((2, 64, 32), dtype=np.uint8)
    raw[0, 40:50, 8:20] = 255

    mask = predictor.segment(raw).mask

    assert mask[42:48, 10:18].min() == 1
    assert mask[:38].max() == mask[52:].max() == mask[:, :6].max() == mask[:, 22:].max() == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_another_number_of_channels_is_refused_with_both_numbers(segmenter, slice_of, channels):
    with pytest.raises(ModelError, match=rf"takes 2 channels \(t1, flair\), the image has {channels}"):
        segmenter.prepare(slice_of(channels))


def test_a_slice_that_is_scaled_keeps_the_scale_of_its_volume(segmenter, slice_of):
    dark = slice_of(2, 32, 32) // 4

    np.testing.assert_array_equal(segmenter.prepare(dark, is_scaled=True).image, dark)
    assert segmenter.prepare(dark).image.max() == 255


def test_scaled_pixels_of_more_than_8_bits_are_refused(segmenter, slice_of):
    with pytest.raises(ModelError, match="scaled pixels are 8-bit, these are uint16"):
        segmenter.prepare(slice_of(2, 32, 32).astype(np.uint16), is_scaled=True)


def test_a_16_bit_slice_is_scaled_on_its_own(segmenter, slice_of):
    prepared = segmenter.prepare(slice_of(2, 32, 32).astype(np.uint16) * 16)

    assert prepared.image.max() == 255


def test_a_model_of_8_bit_pixels_refuses_others(segmenter_bundle, slice_of):
    preprocessing = segmenter_bundle.config.preprocessing.model_copy(update={"intensity": "as_is"})
    config = segmenter_bundle.config.model_copy(update={"preprocessing": preprocessing})
    predictor = Predictor.load(ModelBundle(config, segmenter_bundle.weights))

    with pytest.raises(ModelError, match="trained on 8-bit pixels, these are float32"):
        predictor.prepare(slice_of(2).astype(np.float32))


def test_bf16_stays_near_fp32(classifier_bundle, slice_of):
    exact = Predictor.load(classifier_bundle).classify(slice_of(1))
    rounded = Predictor.load(classifier_bundle, precision="bf16").classify(slice_of(1))

    assert rounded.probabilities == pytest.approx(exact.probabilities, abs=0.02)
    assert rounded.probabilities != exact.probabilities


@pytest.mark.parametrize("flips", ["none", "horizontal", "both"])
def test_a_class_is_averaged_over_mirrored_images(classifier_bundle, flips):
    """The network sees only how bright the upper left quarter is, in units of the normalization."""
    predictor = replace(_with_flips(classifier_bundle, flips), network=_UpperLeft())
    image = torch.zeros(1, 1, 80, 80, dtype=torch.uint8)
    image[..., :40, :40], image[..., :40, 40:] = 160, 110  # upper left 2, upper right 1, below -1.2
    corners = {"none": [2.0], "horizontal": [2.0, 1.0], "both": [2.0, 1.0, -1.2, -1.2]}[flips]

    (found,) = predictor.predict(image)

    expected = np.mean([np.exp(value) / (np.exp(value) + 3) for value in corners])
    assert found.tolist() == pytest.approx([expected, *[(1 - expected) / 3] * 3], abs=1e-6)


@pytest.mark.parametrize(
    ("flips", "where", "share"),
    [
        ("none", [(0, 1)], 1.0),
        ("horizontal", [(0, 1), (0, 30)], 0.5),
        ("both", [(0, 1), (0, 30), (31, 1), (31, 30)], 0.25),
    ],
)
def test_a_mask_is_averaged_over_mirrored_images_and_mirrored_back(segmenter_bundle, flips, where, share):
    """The network says `necrotic` in the second pixel of the first row, whatever the image shows."""
    predictor = replace(_with_flips(segmenter_bundle, flips), network=_SecondPixel())

    necrotic = predictor.predict(torch.zeros(2, 2, 32, 32, dtype=torch.uint8))[:, 0]

    expected = torch.zeros(2, 32, 32)
    for row, column in where:
        expected[:, row, column] = share
    torch.testing.assert_close(necrotic, expected, atol=1e-6, rtol=0)


def test_a_map_that_follows_its_image_is_not_changed_by_flips(segmenter_bundle, slice_of):
    image = torch.from_numpy(slice_of(2, 32, 32)[None])
    plain, mirrored = (replace(_with_flips(segmenter_bundle, flips), network=_Bright()) for flips in ("none", "both"))

    torch.testing.assert_close(mirrored.predict(image), plain.predict(image))


def test_parts_that_are_too_small_are_removed_from_the_mask_and_from_its_pixels(segmenter_bundle):
    config = segmenter_bundle.config.model_copy(update={"smallest_part_px": 10})
    predictor = replace(Predictor.load(replace(segmenter_bundle, config=config)), network=_Bright())
    image = np.zeros((2, 32, 32), dtype=np.uint8)
    image[0, 4:8, 4:8] = image[0, 20:23, 20:23] = 255  # 16 pixels and 9

    answer = predictor.segment(image, is_scaled=True)

    assert answer.pixels == {"necrotic": 16, "edema": 0, "enhancing": 0}
    assert answer.mask[4:8, 4:8].min() == 1
    probabilities = predictor.predict(torch.from_numpy(image[None]))
    np.testing.assert_array_equal(predictor.label_map(probabilities)[0], answer.mask)


def test_without_a_smallest_part_every_pixel_stays(segmenter_bundle):
    predictor = replace(Predictor.load(segmenter_bundle), network=_Bright())
    image = torch.zeros(1, 2, 32, 32, dtype=torch.uint8)
    image[0, 0, 5, 5] = 255

    assert predictor.label_map(predictor.predict(image)).sum() == 1


def test_folding_the_norms_changes_no_answer(classifier_bundle, slice_of):
    bundle = _with_used_norms(classifier_bundle)
    predictor = Predictor.load(bundle)
    images = torch.from_numpy(np.stack([slice_of(1, 80, 80, seed) for seed in range(3)]))

    unfolded = replace(predictor, network=bundle.build()).predict(images)

    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in predictor.network.modules())
    torch.testing.assert_close(predictor.predict(images), unfolded, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (1, 3, 32, 32), (1, 2, 16, 32), (2, 32, 32)])
def test_prepared_images_of_another_shape_are_refused(segmenter, shape):
    with pytest.raises(ModelError, match=r"takes prepared images of \(channels, height, width\) \(2, 32, 32\)"):
        segmenter.predict(torch.zeros(shape, dtype=torch.uint8))


def test_an_average_is_served_as_the_mean_of_what_its_members_are_served_as(classifier_bundle, slice_of):
    members = [_with_used_norms(classifier_bundle, seed) for seed in (1, 2)]
    together = Predictor.load(average([Named(str(place), one) for place, one in enumerate(members)]))
    images = torch.from_numpy(slice_of(1, 80, 80)[None])

    alone = torch.stack([Predictor.load(one).predict(images) for one in members])

    torch.testing.assert_close(together.predict(images), alone.mean(0), atol=1e-5, rtol=0)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in together.network.modules())


def test_the_list_of_served_models_says_that_one_is_an_average(segmenter_bundle):
    other = replace(segmenter_bundle, weights={key: value + 1 for key, value in segmenter_bundle.weights.items()})
    config = average([Named("one", segmenter_bundle), Named("other", other)]).config

    info = ModelInfo.of(Published("both", 1, ()), config)

    assert info.architecture == "average of 2: classic_unet, classic_unet"


def test_the_service_answers_what_the_predictor_does_with_flips_and_clean_up(segmenter_bundle, slice_of, file_of):
    config = segmenter_bundle.config.model_copy(update={"smallest_part_px": 30})
    predictor = _with_flips(replace(segmenter_bundle, config=config), "both")
    raw = slice_of(2, 40, 36)

    (reply,) = answer_all(predictor, [Upload(file_of(raw), "a.npy")], [Wish()])

    mask = predictor.segment(raw).mask
    assert isinstance(reply.answer, Labeled)
    np.testing.assert_array_equal(np.repeat(reply.answer.values, reply.answer.counts), mask.ravel())
    assert (mask > 0).any()
    assert (mask != Predictor.load(segmenter_bundle).segment(raw).mask).any()


def _with_flips(bundle: ModelBundle, flips: str) -> Predictor:
    recipe = Recipe.from_values(bundle.config.recipe).with_values("answer.flips", flips).values()
    return Predictor.load(replace(bundle, config=bundle.config.model_copy(update={"recipe": recipe})))


def _with_used_norms(bundle: ModelBundle, seed: int = 0) -> ModelBundle:
    """Running statistics that are not those of a fresh network, other for every seed."""
    numbers = torch.Generator().manual_seed(seed)
    changed = {
        name: 0.5 + torch.rand(tensor.shape, generator=numbers)
        for name, tensor in bundle.weights.items()
        if name.endswith(("running_mean", "running_var"))
    }
    assert changed
    return replace(bundle, weights={**bundle.weights, **changed})


class _UpperLeft(torch.nn.Module):
    def forward(self, pixels):
        mean = pixels[:, :, :40, :40].mean((1, 2, 3))
        return torch.stack([mean, *[torch.zeros_like(mean)] * 3], dim=1)


class _SecondPixel(torch.nn.Module):
    def forward(self, pixels):
        logits = torch.full((len(pixels), 3, *pixels.shape[2:]), -30.0)
        logits[:, 0, 0, 1] = 30.0
        return logits


class _Bright(torch.nn.Module):
    def forward(self, pixels):
        necrotic = torch.where(pixels[:, :1] > 1, 9.0, -9.0)
        return torch.cat([necrotic, torch.full_like(necrotic.repeat(1, 2, 1, 1), -9.0)], dim=1)


LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}


def test_an_answer_says_whether_the_image_is_known(classifier_bundle, slice_of):
    images = torch.from_numpy(
        np.stack([Predictor.load(classifier_bundle).prepare(slice_of(1, seed=n)).image for n in range(80)])
    )
    domain = Domain.fit(look(images), torch.arange(80), look(images))
    predictor = Predictor.load(replace(classifier_bundle, domain=domain.tensors()))
    photo = np.tile(np.arange(48, dtype=np.uint8) * 5, (60, 1))[None]

    assert predictor.classify(slice_of(1, seed=3)).in_domain is True
    assert predictor.classify(photo).in_domain is False
    assert Predictor.load(classifier_bundle).classify(photo).in_domain is None


def test_the_temperature_of_the_bundle_makes_the_answer_less_sure(classifier_bundle, slice_of):
    calibration = Calibration(temperature=4.0, ece_before=0.3, ece_after=0.1, units=5, unit="groups")
    config = classifier_bundle.config.model_copy(update={"calibration": calibration})

    plain = Predictor.load(classifier_bundle).classify(slice_of(1))
    cooler = Predictor.load(replace(classifier_bundle, config=config)).classify(slice_of(1))

    assert cooler.label == plain.label
    assert 1 / len(plain.probabilities) < cooler.confidence < plain.confidence
