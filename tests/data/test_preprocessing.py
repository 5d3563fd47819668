from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import (
    VERSION,
    Frame,
    Preprocessing,
    normalize,
    prepare_mask,
    prepare_volume,
    restore_mask,
)
from glioray.errors import DataError

WHOLE = Preprocessing(image_size=32, crop_head=False, intensity="as_is")
CROP = Preprocessing(image_size=64, crop_head=True, intensity="percentile")
ZSCORE = Preprocessing(image_size=64, crop_head=False, intensity="zscore")


@pytest.fixture
def volume(draw_head):
    """(3, 2, 60, 40) uint8"""
    return np.stack([np.stack([draw_head(i, 60, 40), draw_head(i + 9, 60, 40)]) for i in range(3)])


def test_an_image_comes_out_as_a_square_of_the_size_asked_for(volume) -> None:
    prepared = prepare_volume(volume, CROP)
    assert prepared.image.shape == (3, 2, 64, 64)
    assert prepared.image.dtype == np.uint8


def test_as_is_at_the_same_size_changes_no_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    assert np.array_equal(prepare_volume(image, WHOLE).image, image)


@pytest.mark.parametrize("least", [-1000, 0])
def test_outside_of_the_picture_it_is_as_dark_as_its_darkest_pixel(least) -> None:
    """A picture of 32 x 16 px with air at `least`, in a square of 32: prepared as one that was padded before."""
    image = np.full((1, 1, 32, 16), least, dtype=np.int16)
    image[..., 8:24, 4:12] = least + np.random.default_rng(0).integers(100, 400, (16, 8))
    whole = np.pad(image, ((0, 0), (0, 0), (0, 0), (8, 8)), constant_values=least)
    settings = Preprocessing(image_size=32, crop_head=False, intensity="percentile")
    found = prepare_volume(image, settings).image
    assert not found[..., :8].any()
    assert np.abs(found.astype(int) - prepare_volume(whole, settings).image).max() <= 1


def test_as_is_refuses_what_is_not_uint8(volume) -> None:
    with pytest.raises(DataError, match="float32"):
        prepare_volume(volume.astype(np.float32), WHOLE)


def test_percentiles_are_of_the_volume_not_of_the_slice(volume) -> None:
    volume[1] //= 4
    prepared = prepare_volume(volume, CROP).image
    assert prepared[0].max() == 255
    assert prepared[1].max() < 80


def test_a_scaled_volume_gives_the_same_image(volume) -> None:
    other = volume.astype(np.float32) * 37.5 + 1000
    difference = prepare_volume(volume, CROP).image.astype(int) - prepare_volume(other, CROP).image
    assert np.abs(difference).max() <= 1


def test_numbers_that_are_not_finite_are_refused(volume) -> None:
    broken = volume.astype(np.float32)
    broken[0, 0, 5, 5] = np.nan
    with pytest.raises(DataError, match="finite"):
        prepare_volume(broken, CROP)


def test_a_volume_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(DataError, match="slices, channels, height, width"):
        prepare_volume(np.zeros((10, 10), np.uint8), CROP)


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (64, 64), (33, 47)])
def test_a_mask_comes_back_in_the_raw_grid(draw_head, size) -> None:
    head = draw_head(3, *size)
    mask = np.zeros((1, *size), np.uint8)
    mask[0, size[0] // 2 - 6 : size[0] // 2 + 6, size[1] // 2 - 5 : size[1] // 2 + 5] = 4
    frame = prepare_volume(head[None, None], Preprocessing(image_size=128, crop_head=True, intensity="as_is")).frame
    assert np.array_equal(restore_mask(prepare_mask(mask, frame), frame), mask)


@given(st.data(), st.integers(1, 40), st.integers(1, 40))
def test_any_mask_in_a_frame_that_is_not_made_smaller_comes_back(data, height, width) -> None:
    """The frame may reach beyond the picture, and the picture beyond the frame, where nothing comes back."""
    side = data.draw(st.integers(1, 48))
    top, left = (data.draw(st.integers(-side + 1, length - 1)) for length in (height, width))
    frame = Frame(height, width, top, left, side, image_size=data.draw(st.integers(side, 64)))
    mask = data.draw(arrays.arrays(np.uint8, (2, height, width), elements=st.sampled_from([0, 1, 4])))

    expected = np.zeros_like(mask)
    rows, columns = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
    expected[:, rows, columns] = mask[:, rows, columns]
    assert np.array_equal(restore_mask(prepare_mask(mask, frame), frame), expected)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(2, 4), st.integers(1, 2), st.integers(5, 40), st.integers(5, 40))))
def test_slices_as_they_are_come_out_of_a_batch_as_they_do_one_by_one(image) -> None:
    """Other scalings are of the volume, so of them a batch is one by one only where it is one volume."""
    normalization = Normalization(mean=(99.5,) * image.shape[1], std=(47.25,) * image.shape[1])
    together = prepare_volume(image, WHOLE)
    alone = [prepare_volume(slice_[None], WHOLE) for slice_ in image]
    tensors = torch.from_numpy(together.image)

    assert np.array_equal(together.image, np.concatenate([one.image for one in alone]))
    assert torch.equal(
        normalize(tensors, normalization), torch.cat([normalize(t[None], normalization) for t in tensors])
    )
    assert {one.frame for one in alone} == {together.frame}


def test_a_restored_mask_keeps_its_leading_axes(volume) -> None:
    frame = prepare_volume(volume, CROP).frame
    assert restore_mask(np.ones((5, 2, 64, 64), np.uint8), frame).shape == (5, 2, 60, 40)


def test_nothing_is_restored_outside_the_frame(draw_head) -> None:
    picture = np.zeros((1, 1, 200, 200), np.uint8)
    picture[0, 0, 20:84, 100:164] = draw_head(0)
    frame = prepare_volume(picture, CROP).frame
    restored = restore_mask(np.ones((64, 64), np.uint8), frame)
    assert restored[: frame.top].sum() == 0
    assert restored.sum() == frame.side**2


def test_image_and_mask_share_their_frame(draw_head) -> None:
    head = draw_head(0)
    mask = (head > 0).astype(np.uint8)
    prepared = prepare_volume((mask * 200)[None, None], CROP)
    small = prepare_mask(mask[None], prepared.frame)
    assert ((prepared.image[0, 0] > 127) != (small[0] > 0)).mean() < 0.02


def test_the_figures_are_of_the_pixels_inside_the_head() -> None:
    image = np.zeros((2, 1, 32, 32), np.uint8)
    image[0, 0, 8:24, 8:24] = 100
    prepared = prepare_volume(image, WHOLE)
    assert prepared.brain_mean.tolist() == [100, 0]
    assert prepared.brain_std.tolist() == [0, 0]
    assert prepared.brain_fraction.tolist() == [0.25, 0]


def test_normalized_pixels_have_the_mean_and_spread_taken_out() -> None:
    images = torch.tensor([[[[10, 30]], [[0, 255]]]], dtype=torch.uint8)
    scaled = normalize(images, Normalization(mean=(10, 0), std=(20, 255)))
    assert scaled.tolist() == [[[[0, 1]], [[0, 1]]]]


@pytest.mark.parametrize("size", [0, 8, 100, 2048])
def test_an_impossible_size_is_refused(size) -> None:
    with pytest.raises(ValidationError, match="image_size"):
        Preprocessing(image_size=size, crop_head=True, intensity="as_is")


@pytest.fixture
def stripped(draw_head):
    """(4, 2, 64, 64) float32: heads on 0 whose second channel is 500 times the first and 1000 more inside."""
    heads = np.stack([draw_head(i) for i in range(4)]).astype(np.float32)
    return np.stack([heads, np.where(heads > 0, 500 * heads + 1000, 0)], axis=1)


def test_zscore_gives_the_head_of_a_volume_mean_128_and_spread_25(stripped) -> None:
    prepared = prepare_volume(stripped, ZSCORE)
    inside = stripped[:, 0] > 0
    for channel in range(2):
        pixels = prepared.image[:, channel][inside].astype(float)
        assert pixels.mean() == pytest.approx(128, abs=4)
        assert pixels.std() == pytest.approx(25, abs=4)


def test_zscore_is_of_each_channel_and_takes_its_scale_away(stripped) -> None:
    prepared = prepare_volume(stripped, ZSCORE)
    difference = prepared.image[:, 0].astype(int) - prepared.image[:, 1]
    assert np.abs(difference).max() <= 1


def test_zscore_is_of_the_volume_not_of_the_slice(stripped) -> None:
    darker = stripped.copy()
    darker[2] /= 2
    image = prepare_volume(darker, ZSCORE).image[:, 0]
    inside = stripped[:, 0] > 0
    assert image[2][inside[2]].mean() < image[1][inside[1]].mean() - 20


def test_zscore_leaves_the_background_black(stripped) -> None:
    image = prepare_volume(stripped, ZSCORE).image
    assert image[:, 0][stripped[:, 0] == 0].max() == 0
    assert image[:, 0][stripped[:, 0] > 0].min() > 0


def test_zscore_cuts_off_what_is_far_too_bright(stripped) -> None:
    spiked = stripped.copy()
    spiked[0, 0, 30:33, 30:33] *= 1000
    calm, wild = (prepare_volume(volume, ZSCORE).image for volume in (stripped, spiked))
    others = np.ones(calm.shape, bool)
    others[0, 0, 28:35, 28:35] = False
    assert np.abs(calm[others].astype(int) - wild[others]).max() <= 3
    assert wild[0, 0, 31, 31] == wild[:, 0][others[:, 0]].max() < 255


@pytest.mark.parametrize("intensity", ["percentile", "zscore"])
def test_scale_leads_back_to_the_raw_values(stripped, intensity) -> None:
    """To half a gray level, inside the percentiles that are not cut off."""
    prepared = prepare_volume(stripped, ZSCORE.model_copy(update={"intensity": intensity}))
    assert prepared.scale.shape == (2, 2)
    for channel in range(2):
        raw, (low, step) = stripped[:, channel], prepared.scale[channel]
        kept = (raw > 0) & (raw > np.percentile(raw[raw > 0], 1)) & (raw < np.percentile(raw[raw > 0], 99))
        restored = low + step * prepared.image[:, channel].astype(np.float32)
        assert np.abs(restored - raw)[kept].max() <= 0.51 * step


@pytest.mark.parametrize("intensity", ["percentile", "zscore"])
@pytest.mark.parametrize("size_px", [64, 48])
def test_raw_pixels_are_left_as_they_are(stripped, intensity, size_px) -> None:
    before = stripped.copy()
    prepare_volume(stripped, Preprocessing(image_size=size_px, crop_head=False, intensity=intensity))
    assert np.array_equal(stripped, before)


def test_scale_of_pixels_as_they_are_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    assert prepare_volume(image, WHOLE).scale.tolist() == [[0, 1]] * 3


@pytest.mark.parametrize("intensity", ["percentile", "zscore"])
@pytest.mark.parametrize("value", [0, 7])
def test_a_volume_of_one_value_is_prepared_without_a_division_by_zero(intensity, value) -> None:
    chosen = ZSCORE.model_copy(update={"intensity": intensity})
    prepared = prepare_volume(np.full((2, 1, 64, 64), value, np.float32), chosen)
    assert np.isfinite(prepared.scale).all()
    assert len(np.unique(prepared.image)) == 1


def test_preprocessing_says_by_which_code_it_was_done() -> None:
    assert Preprocessing.model_validate_json(CROP.model_dump_json()) == CROP
    assert CROP.model_dump()["version"] == VERSION
    assert CROP.model_copy(update={"version": VERSION - 1}) != CROP
