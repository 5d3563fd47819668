from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from glioray.data.sources import lgg, raw_scans
from glioray.errors import DataError, UnreadableError


def first_volume(root):
    scans = raw_scans(lgg, root)
    return lgg.read(scans, lgg.find(scans).cases[0])


def test_slices_are_in_the_order_of_their_numbers(lgg_folder) -> None:
    raw = first_volume(lgg_folder)
    assert raw.slice_indices == tuple(range(1, 12))
    assert raw.image.shape == (11, 3, 32, 32)
    assert raw.sources[1] == "kaggle_3m/P0/P0_2.tif"


def test_masks_are_of_one_and_zero(lgg_folder) -> None:
    raw = first_volume(lgg_folder)
    assert [int(mask.sum()) for mask in raw.mask] == [0] * 9 + [64, 0]
    assert set(np.unique(raw.mask)) == {0, 1}


@pytest.mark.parametrize("value", [1, 128])
def test_a_mask_that_holds_another_value_is_refused(lgg_folder, value) -> None:
    path = lgg_folder / "kaggle_3m" / "P0" / "P0_2_mask.tif"
    pixels = np.asarray(Image.open(path)).copy()
    pixels.flat[0] = value
    Image.fromarray(pixels).save(path)
    with pytest.raises(UnreadableError, match=rf"P0_2_mask\.tif: the mask holds {value}; wanted 0 and 255"):
        first_volume(lgg_folder)


@pytest.mark.parametrize("root", [".", "kaggle_3m"])
def test_the_folder_above_or_itself_may_be_given(lgg_folder, root) -> None:
    cases = lgg.find(raw_scans(lgg, lgg_folder / root)).cases
    assert [case.patient_id for case in cases] == ["P0", "P1", "P2", "P3"]


def test_a_slice_without_a_number_is_refused(lgg_folder) -> None:
    folder = lgg_folder / "kaggle_3m" / "P0"
    (folder / "P0_3.tif").rename(folder / "P0_three.tif")
    with pytest.raises(DataError, match=r"P0_three\.tif: no slice number"):
        lgg.find(raw_scans(lgg, lgg_folder))
