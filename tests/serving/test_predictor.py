from __future__ import annotations

import numpy as np
import pytest
import torch

from glioray.data.preprocessing import normalize
from glioray.errors import ModelError
from glioray.registry.bundle import ModelBundle
from glioray.serving.predictor import Predictor


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
    assert answer.areas["edema"] == answer.pixels["edema"] / (64 * 32)


def test_a_label_comes_back_where_it_was_in_the_raw_slice(segmenter_bundle):
    """The network is replaced by one that says `necrotic` where its first channel is bright."""
    predictor = Predictor.load(segmenter_bundle)
    object.__setattr__(predictor, "network", _Bright())
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


class _Bright(torch.nn.Module):
    def forward(self, pixels):
        necrotic = torch.where(pixels[:, :1] > 1, 9.0, -9.0)
        return torch.cat([necrotic, torch.full_like(necrotic.repeat(1, 2, 1, 1), -9.0)], dim=1)


LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}
