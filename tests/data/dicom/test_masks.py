from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import SegmentationStorage

from glioray.data.dicom.masks import is_on_grid, read_label_map, refuse_segments
from glioray.data.dicom.series import find_series
from glioray.data.dicom.volume import axial_grid
from glioray.errors import DataError, UnreadableError

AXIAL = [1.0, 0, 0, 0, 1.0, 0]


def series_named(root, name):
    return next(series for series in find_series(root).series if series.description == name)


@pytest.fixture
def scan(tmp_path, write_series):
    write_series(folder="scan", series="FLAIR")
    return axial_grid(series_named(tmp_path, "FLAIR"))


@pytest.fixture
def write_segmentation(tmp_path, tools):
    """One BINARY object; `masks` has for each segment name a (N, 12, 10) of the scan, only slices that show it."""

    def write(masks, origin=(-30.0, -20.0, 10.0), orientation=AXIAL, flip=False):
        frames = [(n, k, m[k]) for n, m in enumerate(masks.values(), 1) for k in range(len(m)) if m[k].any()]
        dataset = tools.base("study", "annotation")
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SegmentationStorage
        pixels = np.stack([mask[:, ::-1] if flip else mask for _, _, mask in frames]).astype(np.uint8)
        tools.set_pixels(dataset, pixels)
        dataset.Modality, dataset.SegmentationType, dataset.NumberOfFrames = "SEG", "BINARY", len(frames)
        dataset.BitsAllocated = dataset.BitsStored = 1
        dataset.HighBit = 0
        dataset.PixelData = np.packbits(pixels.ravel(), bitorder="little").tobytes()
        dataset.PixelData += b"\0" * (len(dataset.PixelData) % 2)
        group = tools.group
        dataset.SegmentSequence = [group(SegmentNumber=n, SegmentLabel=name) for n, name in enumerate(masks, 1)]
        shared = group(
            PlaneOrientationSequence=[group(ImageOrientationPatient=orientation)],
            PixelMeasuresSequence=[group(PixelSpacing=[0.9, 0.8])],
        )
        dataset.SharedFunctionalGroupsSequence = [shared]
        dataset.PerFrameFunctionalGroupsSequence = [
            group(
                PlanePositionSequence=[group(ImagePositionPatient=[origin[0], origin[1], origin[2] + 5 * k])],
                SegmentIdentificationSequence=[group(ReferencedSegmentNumber=n)],
            )
            for n, k, _ in frames
        ]
        tools.save(dataset, tmp_path / "seg" / "object")

    return write


def blob(slices, rows, columns):
    mask = np.zeros((5, 12, 10), bool)
    mask[slices, rows, columns] = True
    return mask


NECROTIC = blob(slice(1, 3), slice(2, 5), slice(3, 7))
EDEMA = blob(slice(2, 5), slice(6, 9), slice(1, 4))


def test_everything_that_is_not_zero_is_the_one_label(tmp_path, write_series, scan) -> None:
    pixels = np.random.default_rng(0).integers(0, 3, (5, 12, 10)).astype(np.uint16) * 100
    write_series(folder="roi", series="FLAIR_ROI", pixels=pixels)
    label_map = read_label_map(series_named(tmp_path, "FLAIR_ROI"), scan, ["tumor"])
    np.testing.assert_array_equal(label_map, pixels > 0)


def test_with_several_labels_another_value_is_refused(tmp_path, write_series, scan) -> None:
    pixels = np.random.default_rng(0).integers(0, 3, (5, 12, 10)).astype(np.uint16)
    write_series(folder="roi", series="ROI", pixels=pixels)
    roi = series_named(tmp_path, "ROI")
    np.testing.assert_array_equal(read_label_map(roi, scan, ["core", "edema"]), pixels)
    pixels[0, 0, 0] = 4
    write_series(folder="roi", series="ROI", pixels=pixels)
    with pytest.raises(UnreadableError, match=r"the mask holds 4; wanted 0 and 1\.\.2"):
        read_label_map(series_named(tmp_path, "ROI"), scan, ["core", "edema"])


def test_a_mask_on_another_grid_is_known_by_its_header(tmp_path, write_series, scan) -> None:
    write_series(folder="roi", series="ROI", spacing_mm=(0.9, 0.9))
    roi = series_named(tmp_path, "ROI")
    assert not is_on_grid(roi, scan)
    with pytest.raises(UnreadableError, match="0.9 x 0.9 mm"):
        read_label_map(roi, scan, ["tumor"])


def test_segments_become_the_labels_of_their_names(tmp_path, write_segmentation, scan) -> None:
    write_segmentation({"Edema": EDEMA, "necrotic": NECROTIC})
    segmentation = series_named(tmp_path, "annotation")
    assert is_on_grid(segmentation, scan)
    np.testing.assert_array_equal(read_label_map(segmentation, scan, ["necrotic", "edema"]), NECROTIC + 2 * EDEMA)


def test_a_segmentation_object_written_from_left_to_right_is_turned(tmp_path, write_segmentation, scan) -> None:
    write_segmentation(
        {"tumor": EDEMA}, origin=(-30.0 + 9 * 0.8, -20.0, 10.0), orientation=[-1.0, 0, 0, 0, 1, 0], flip=True
    )
    np.testing.assert_array_equal(read_label_map(series_named(tmp_path, "annotation"), scan, ["lesion"]), EDEMA)


def test_segments_that_overlap_are_refused(tmp_path, write_segmentation, scan) -> None:
    write_segmentation({"core": NECROTIC, "whole": NECROTIC | EDEMA})
    with pytest.raises(UnreadableError, match="^seg/object: two segments overlap"):
        read_label_map(series_named(tmp_path, "annotation"), scan, ["core", "whole"])


def test_a_segment_that_is_no_label_is_refused_with_all_their_names(tmp_path, write_segmentation, scan) -> None:
    write_segmentation({"core": NECROTIC, "edema": EDEMA})
    with pytest.raises(DataError, match=r"\['core', 'edema'\].*none of the labels \['tumor'\]"):
        refuse_segments(series_named(tmp_path, "annotation"), ["tumor"])


def test_a_segmentation_object_beside_its_image_does_not_fit(tmp_path, write_segmentation, scan) -> None:
    write_segmentation({"tumor": EDEMA}, origin=(-30.4, -20.0, 10.0))
    assert not is_on_grid(series_named(tmp_path, "annotation"), scan)
    write_segmentation({"tumor": EDEMA}, origin=(-30.0, -20.0, 60.0))
    assert not is_on_grid(series_named(tmp_path, "annotation"), scan)
