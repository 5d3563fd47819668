"""Standardized slices are put back to the numbers that they were."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from tests.data.sources.brats_slices import (
    BRATS_AFFINE,
    HEIGHT,
    WIDTH,
    only_volume,
    write_slice,
)

from glioray.data.preprocessing import Preprocessing, prepare_mask, prepare_volume
from glioray.data.sources import brats_nifti, raw_scans
from glioray.data.sources import phantom as phantom_source
from glioray.errors import UnreadableError


@pytest.fixture(scope="module")
def phantom_volume(phantom):
    """A whole synthetic patient with a tumor."""
    scans = raw_scans(phantom_source, phantom, "segmentation")
    return phantom_source.read(scans, phantom_source.find(scans).cases[0])


def written_in_both_layouts(folder, image, mask, **options):
    """The same (N, C, H, W) as NIfTI and as HDF5, in BraTS's own axes: x to the right, y to the back, z up."""
    (folder / "nifti" / "P").mkdir(parents=True)
    for channel, ending in enumerate(("t1", "t1ce", "t2", "flair")):
        voxels = nibabel.Nifti1Image(image[:, channel].transpose(2, 1, 0), BRATS_AFFINE)
        nibabel.save(voxels, folder / "nifti" / "P" / f"P_{ending}.nii.gz")
    nibabel.save(nibabel.Nifti1Image(mask.transpose(2, 1, 0), BRATS_AFFINE), folder / "nifti" / "P" / "P_seg.nii.gz")
    for number, (pixels, labels) in enumerate(zip(image, mask, strict=True)):
        one_hot = np.stack([label == labels.T for label in (1, 2, 4)], axis=2).astype(np.uint8)
        write_slice(folder / "h5", 7, number, pixels.transpose(2, 1, 0).astype(np.float64), one_hot)
    scans = raw_scans(brats_nifti, folder / "nifti")
    return brats_nifti.read(scans, brats_nifti.find(scans).cases[0]), only_volume(folder / "h5", **options)


def z_scored(image, axes):
    mean, spread = image.mean(axis=axes, keepdims=True), image.std(axis=axes, keepdims=True)
    return np.where(spread > 0, (image - mean) / np.maximum(spread, 1e-9), 0.0)


BY_VOLUME, BY_SLICE = (0, 2, 3), (2, 3)


@pytest.mark.parametrize(("axes", "scale"), [(None, "undo"), (BY_VOLUME, "undo"), (BY_SLICE, "keep")])
def test_a_whole_patient_equals_the_nifti_route_voxel_for_voxel(tmp_path, phantom_volume, axes, scale) -> None:
    image = phantom_volume.image if axes is None else z_scored(phantom_volume.image, axes)
    nifti, h5 = written_in_both_layouts(tmp_path, image, phantom_volume.mask, slice_scale=scale)
    assert set(np.unique(nifti.mask)) == {0, 1, 2, 4}
    assert np.array_equal(nifti.image, image)
    assert np.array_equal(h5.image, nifti.image)
    assert np.array_equal(h5.mask, nifti.mask)
    assert (h5.slice_indices, h5.spacing_mm) == (nifti.slice_indices, nifti.spacing_mm)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_slices_standardized_one_by_one_come_back_as_the_scan_they_were(tmp_path, phantom_volume, precision) -> None:
    scaled = z_scored(phantom_volume.image, BY_SLICE).astype(precision)
    _, h5 = written_in_both_layouts(tmp_path, scaled, phantom_volume.mask)
    assert np.array_equal(h5.image, phantom_volume.image)


def many_and_few(*few):
    """(2, 4, H, W): a slice of the values up to 145, and one of these few."""
    scan = np.zeros((2, 4, HEIGHT, WIDTH))
    scan[0, :, 1:6] = np.arange(116, 146).reshape(5, WIDTH)
    scan[1, :, 3, 1:4] = few
    return scan


def write_scaled(root, image):
    for number, pixels in enumerate(image):
        write_slice(root, 1, number, pixels.transpose(2, 1, 0))


def test_a_few_values_far_apart_are_put_back_where_their_double_would_be_the_highest(tmp_path) -> None:
    scan = many_and_few(12, 30, 73)
    write_scaled(tmp_path, z_scored(scan, BY_SLICE))
    assert np.array_equal(only_volume(tmp_path).image, scan)


def test_a_few_values_that_may_have_a_divisor_in_common_are_refused(tmp_path) -> None:
    """They have the z-scores of 2, 3 and 4, and would come back thirty times too dark."""
    write_scaled(tmp_path, z_scored(many_and_few(60, 90, 120), BY_SLICE))
    with pytest.raises(UnreadableError, match=r"^volume_1_slice_1.h5: its t1 .* 4 different values.*slice_scale=keep"):
        only_volume(tmp_path)


def test_a_few_values_alone_tell_no_scale(tmp_path) -> None:
    write_scaled(tmp_path, z_scored(many_and_few(12, 30, 73)[1:], BY_SLICE))
    with pytest.raises(UnreadableError, match=r"^volume_1_slice_0.h5: its t1 .* do not tell how"):
        only_volume(tmp_path)


@pytest.mark.parametrize(("factor", "offset"), [(1.01, 0), (1, 0.01)])
def test_one_slice_that_is_not_standardized_among_others_that_are_is_named(tmp_path, factor, offset) -> None:
    scaled = z_scored(np.concatenate([many_and_few(12, 30, 73)[:1]] * 5), BY_SLICE)
    scaled[3, 1] = scaled[3, 1] * factor + offset
    write_scaled(tmp_path, scaled)
    with pytest.raises(UnreadableError, match=r"^volume_1_slice_3.h5: its t1ce .* 19 of the 20 .*slice_scale=keep"):
        only_volume(tmp_path)
    assert np.array_equal(only_volume(tmp_path, slice_scale="keep").image, scaled)


def test_standardized_slices_that_were_no_whole_numbers_are_refused_unless_kept(tmp_path) -> None:
    scaled = z_scored(np.random.default_rng(0).normal(size=(1, 4, HEIGHT, WIDTH)), BY_SLICE)
    write_slice(tmp_path, 1, 0, scaled[0].transpose(2, 1, 0))
    with pytest.raises(UnreadableError, match=r"^volume_1_slice_0.h5: its t1 was scaled apart .* slice_scale=keep"):
        only_volume(tmp_path)
    assert np.array_equal(only_volume(tmp_path, slice_scale="keep").image, scaled)


@pytest.mark.parametrize("axes", [BY_VOLUME, BY_SLICE])
def test_a_whole_patient_is_prepared_as_by_the_nifti_route(tmp_path, phantom_volume, axes) -> None:
    image, mask = phantom_volume.image, phantom_volume.mask
    nifti, _ = written_in_both_layouts(tmp_path / "raw", image, mask)
    _, h5 = written_in_both_layouts(tmp_path / "scaled", z_scored(image, axes), mask)
    settings = Preprocessing(image_size=32, crop_head=False, intensity="percentile")
    ours, theirs = prepare_volume(h5.image, settings), prepare_volume(nifti.image, settings)
    assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1
    assert np.array_equal(prepare_mask(h5.mask, ours.frame), prepare_mask(nifti.mask, theirs.frame))
