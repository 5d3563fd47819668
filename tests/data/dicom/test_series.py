from __future__ import annotations

import shutil

import numpy as np
import pytest

from glioray.data.dicom.series import find_series
from glioray.data.dicom.volume import read_volume


def only_series(root, **settings):
    (series,) = find_series(root, **settings).series
    return series


def test_slices_are_ordered_by_position_and_not_by_name(tmp_path, write_series) -> None:
    pixels = write_series()
    np.testing.assert_array_equal(read_volume(only_series(tmp_path)).values, pixels)


def test_spacing_is_from_positions_and_not_from_the_thickness(tmp_path, write_series) -> None:
    def change(dataset, number):
        dataset.SliceThickness, dataset.SpacingBetweenSlices = "1.0", "2.0"

    tilt = (1.0, 0.0, 0.0, 0.0, float(np.cos(0.2)), float(np.sin(0.2)))
    write_series(orientation=tilt, step_mm=6.5, change=change)
    assert only_series(tmp_path).grid.spacing_mm == pytest.approx((6.5, 0.9, 0.8), abs=1e-4)


def test_a_mixed_folder_is_taken_apart(tmp_path, write_series) -> None:
    one = write_series(series="T1")
    other = write_series(series="FLAIR", pixels=one[::-1].copy())
    found = {series.description: series for series in find_series(tmp_path).series}
    np.testing.assert_array_equal(read_volume(found["T1"]).values, one)
    np.testing.assert_array_equal(read_volume(found["FLAIR"]).values, other)


def test_only_a_folder_of_one_series_speaks_for_it(tmp_path, write_series) -> None:
    write_series(folder="mine", series="A")
    write_series(folder="shared", series="B")
    write_series(folder="shared", series="C")
    found = find_series(tmp_path).series
    assert [series.folder for series in found] == ["mine", "", ""]
    # The same when only the files of a case are given, as a worker reads them.
    assert find_series(tmp_path, [tmp_path / name for name in found[1].names]).series[0].folder == ""


def test_a_missing_slice_is_named_unless_it_is_allowed(tmp_path, write_series) -> None:
    pixels = write_series()
    series = only_series(tmp_path)
    series.frames[3].file.unlink()
    problem = only_series(tmp_path).problem
    assert "1 missing slice" in problem
    assert series.frames[2].name in problem
    assert "10.00 mm" in problem
    volume = read_volume(only_series(tmp_path, allow_gaps=True))
    np.testing.assert_array_equal(volume.values, pixels[[0, 1, 2, 4]])
    np.testing.assert_allclose(volume.grid.places, [0, 1, 2, 4])


def test_a_copied_file_is_read_once(tmp_path, write_series) -> None:
    pixels = write_series()
    shutil.copy(tmp_path / only_series(tmp_path).names[0], tmp_path / "scan" / "again")
    survey = find_series(tmp_path)
    np.testing.assert_array_equal(read_volume(survey.series[0]).values, pixels)
    assert survey.copies == [("scan/again", survey.series[0].names[0])]


def test_two_files_with_one_identity_are_refused(tmp_path, write_series) -> None:
    def change(dataset, number):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{min(number, 3)}"

    write_series(change=change)
    assert "one SOPInstanceUID" in only_series(tmp_path).problem


def test_two_echoes_under_one_series_are_told_apart(tmp_path, write_series) -> None:
    pixels = np.random.default_rng(1).integers(0, 9, (8, 12, 10)).astype(np.uint16)

    def change(dataset, number):
        dataset.ImagePositionPatient = [0, 0, 5 * (number // 2)]
        dataset.EchoTime = 20 if number % 2 else 80

    write_series(pixels=pixels, change=change)
    found = {series.stack: series for series in find_series(tmp_path).series}
    assert set(found) == {"EchoTime=20.0", "EchoTime=80.0"}
    np.testing.assert_array_equal(read_volume(found["EchoTime=80.0"]).values, pixels[::2])


def test_a_place_that_is_there_twice_is_refused(tmp_path, write_series) -> None:
    def change(dataset, number):
        dataset.ImagePositionPatient = [0, 0, 5 * min(number, 3)]

    write_series(change=change)
    assert "lie at the same place" in only_series(tmp_path).problem


def test_two_directions_under_one_series_are_two_stacks(tmp_path, write_series) -> None:
    def change(dataset, number):
        if number > 4:
            dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
            dataset.ImagePositionPatient = [5 * number, 0, 0]

    write_series(pixels=np.zeros((10, 12, 10), np.uint16), change=change)
    stacks = {series.stack[8:]: series.grid.shape for series in find_series(tmp_path).series}
    assert stacks == {"axial": (5, 12, 10), "sagittal": (5, 12, 10)}


def test_a_multi_frame_file_equals_single_frames(tmp_path, write_series, write_enhanced) -> None:
    pixels = write_series(folder="single")
    write_enhanced(pixels)
    single, enhanced = (read_volume(find_series(tmp_path / folder).series[0]) for folder in ("single", "enhanced"))
    np.testing.assert_array_equal(enhanced.values, single.values)
    np.testing.assert_allclose(enhanced.grid.affine, single.grid.affine)


def test_each_frame_has_its_own_rescale(tmp_path, write_enhanced) -> None:
    write_enhanced(np.full((5, 12, 10), 10, np.uint16), slopes=[1, 2, 3, 4, 5])
    values = read_volume(only_series(tmp_path)).values
    assert values[:, 0, 0].tolist() == [10 * slope - 1 for slope in (1, 2, 3, 4, 5)]


def test_a_missing_frame_is_named_by_its_number(tmp_path, write_enhanced) -> None:
    def change(dataset):
        dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient = [-30, -20, 40]

    write_enhanced(np.zeros((5, 12, 10), np.uint16), change=change)
    assert "'enhanced/one frame" in only_series(tmp_path).problem


def test_sagittal_slices_become_axial_ones(tmp_path, write_series) -> None:
    pixels = write_series(orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0), step_mm=2.0)
    series = only_series(tmp_path)
    volume = read_volume(series)
    # The normal points to the right, rows run down the body: both are turned.
    np.testing.assert_array_equal(volume.values, pixels[::-1, ::-1].transpose(1, 2, 0))
    assert volume.grid.spacing_mm == pytest.approx((0.9, 0.8, 2.0))
    assert series.grid.plane == "sagittal"
