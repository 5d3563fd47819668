from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from glioray.data import reading
from glioray.data.duplicates import find_copies
from glioray.data.preprocessing import Preprocessing
from glioray.data.reading import PortionReader
from glioray.data.records import Case, RawVolume
from glioray.data.sources import load, raw_scans
from glioray.data.staging import Portion, load_staged
from glioray.errors import DataError, UnreadableError

SIZE_PX = 32


@pytest.fixture
def read(tmp_path):
    """`read(source, root, ...)`: the first cases of a folder as they were staged."""
    folder = tmp_path / "staged"
    folder.mkdir()

    def run(name, root, intensity="percentile", crop_head=False, cases=None, num_channels=None):
        source = load(name)
        scans = raw_scans(source, root, "segmentation" if name == "phantom" else None)
        contents = source.describe(scans)
        preprocessing = Preprocessing(image_size=SIZE_PX, crop_head=crop_head, intensity=intensity)
        values, channels = tuple(contents.labels.values()), num_channels or len(contents.channels)
        found = tuple(source.find(scans).cases[:2]) if cases is None else cases
        portion = Portion("key", found, tuple(case.case_id for case in found))
        PortionReader(name, scans, preprocessing, channels, values, folder)(portion)
        return load_staged(folder, "key")

    return run


@pytest.fixture
def fake(monkeypatch):
    """`fake({case_id: RawVolume or error})`: a source that gives just these."""

    def use(volumes):
        def read(_scans, case):
            if isinstance(volumes[case.case_id], Exception):
                raise volumes[case.case_id]
            return volumes[case.case_id]

        monkeypatch.setattr(reading.sources, "load", lambda _: SimpleNamespace(read=read))
        return tuple(Case(name, (), patient_id=name) for name in volumes)

    return use


def volume(draw_head, channels=1, mask=None):
    image = np.stack([np.stack([draw_head(10 * z + c) for c in range(channels)]) for z in range(2)])
    return RawVolume(image, mask, ("a.nii", "a.nii"), (0, 1))


def read_fakes(tmp_path, cases, num_channels=1):
    preprocessing = Preprocessing(image_size=SIZE_PX, crop_head=False, intensity="as_is")
    PortionReader("toy", None, preprocessing, num_channels, (), tmp_path)(
        Portion("key", cases, tuple(f"hash of {case.case_id}" for case in cases))
    )
    return load_staged(tmp_path, "key")


def test_rows_say_where_they_come_from_and_how_large_the_picture_was(read, volume_folder) -> None:
    staged = read("phantom", volume_folder)
    assert [row.source for row in staged.rows] == ["volumes/PHANTOM_0000"] * 6 + ["volumes/PHANTOM_0001"] * 6
    assert [row.slice_index for row in staged.rows] == [*range(6), *range(6)]
    assert {(row.patient_id, row.raw_height, row.raw_width) for row in staged.rows} == {
        ("PHANTOM_0000", 40, 32),
        ("PHANTOM_0001", 40, 32),
    }


def test_spacing_grows_with_the_resize(read, volume_folder) -> None:
    """The square of 40 px becomes one of 32: 3 mm become 3.75, 2 mm become 2.5; slices stay 5 mm apart."""
    row = read("phantom", volume_folder).rows[0]
    assert row.raw_spacing_mm == (5, 3, 2)
    assert row.spacing_mm == (5, 3.75, 2.5)


def test_pixels_of_each_label_are_those_of_the_prepared_mask(read, volume_folder) -> None:
    """10 x 10 px of 40 are 8 x 8 of 32."""
    staged = read("phantom", volume_folder)
    assert [row.label_pixels for row in staged.rows[:6]] == [
        (0, 0, 0),
        (0, 0, 0),
        (64, 0, 0),
        (0, 64, 0),
        (0, 0, 64),
        (0, 0, 0),
    ]
    for index, row in enumerate(staged.rows):
        assert [int((staged.mask(index) == value).sum()) for value in (1, 2, 4)] == list(row.label_pixels)


def test_images_of_classes_have_no_label_pixels_and_no_spacing(read, kaggle_folder) -> None:
    staged = read("kaggle_mri", kaggle_folder)
    assert {(row.label_pixels, row.spacing_mm, row.raw_spacing_mm) for row in staged.rows} == {((), None, None)}
    assert [(row.label, row.published_side) for row in staged.rows] == [(0, "test")] * 2
    assert not staged.has_masks


@pytest.mark.parametrize("intensity", ["percentile", "zscore"])
def test_intensity_leads_back_to_the_raw_values(read, volume_folder, intensity) -> None:
    """Each channel is another multiple of one picture, so the scales must be as far apart as these."""
    staged = read("phantom", volume_folder, intensity)
    for index in (1, 2, 8):
        restored = [low + step * staged.image(index)[c] for c, (low, step) in enumerate(staged.rows[index].intensity)]
        inside = staged.image(index)[0] > 60
        for channel in (1, 2, 3):
            ratio = restored[channel][inside] / restored[0][inside]
            assert np.median(ratio) == pytest.approx((channel + 2) / 2, rel=0.03)


def test_all_slices_of_a_volume_have_one_scale(read, volume_folder) -> None:
    rows = read("phantom", volume_folder, "zscore").rows
    assert len({row.intensity for row in rows[:6]}) == 1
    assert rows[0].intensity != rows[6].intensity


@pytest.mark.parametrize("crop_head", [True, False])
def test_copies_are_looked_for_in_the_whole_picture_and_in_what_was_cut_out(read, kaggle_folder, crop_head) -> None:
    views = read("kaggle_mri", kaggle_folder, crop_head=crop_head).views()
    assert views.shape[1:] == (2, 1024)
    assert np.allclose(np.linalg.norm(views, axis=2), 1, atol=1e-3)
    assert len(views) > 1 or not crop_head
    assert all(len(find_copies(view)) == 0 for view in views)


def test_a_case_that_cannot_be_read_is_noted_and_the_others_are_read(fake, draw_head, tmp_path) -> None:
    cases = fake({"a": volume(draw_head), "b": UnreadableError("b.nii: truncated"), "c": volume(draw_head)})
    staged = read_fakes(tmp_path, cases)
    assert [row.patient_id for row in staged.rows] == ["a", "a", "c", "c"]
    assert [(row.case_id, row.case_hash) for row in staged.rows[1:3]] == [("a", "hash of a"), ("c", "hash of c")]
    assert [(entry.source, entry.reason) for entry in staged.refused] == [("b", "b.nii: truncated")]


def test_pixels_that_cannot_be_prepared_name_their_case(fake, draw_head, tmp_path) -> None:
    broken = volume(draw_head).image.astype(np.float32)
    broken[0, 0, 3, 3] = np.nan
    cases = fake({"a": volume(draw_head), "b": RawVolume(broken, None, ("b", "b"), (0, 1))})
    (entry,) = read_fakes(tmp_path, cases).refused
    assert entry.source == "b"
    assert entry.reason.startswith("b: ")


def test_a_case_of_other_channels_never_shifts_the_pixels_of_the_next(fake, draw_head, tmp_path) -> None:
    cases = fake({"a": volume(draw_head), "b": volume(draw_head, channels=2), "c": volume(draw_head)})
    staged = read_fakes(tmp_path, cases)
    assert [entry.reason for entry in staged.refused] == ["b: 2 channels; this data set has 1."]
    assert np.array_equal(staged.image(2), staged.image(0))


def test_an_error_that_is_no_fault_of_the_case_ends_the_reading(fake, draw_head, tmp_path) -> None:
    cases = fake({"a": volume(draw_head), "b": OSError(28, "No space left on device")})
    with pytest.raises(OSError, match="No space left"):
        read_fakes(tmp_path, cases)


def test_what_could_not_be_read_is_tried_again(fake, draw_head, tmp_path) -> None:
    cases = fake({"a": volume(draw_head), "b": UnreadableError("b.nii: the share was away")})
    assert len(read_fakes(tmp_path, cases).refused) == 1
    staged = read_fakes(tmp_path, fake({"a": volume(draw_head), "b": volume(draw_head)}))
    assert [row.case_id for row in staged.rows] == ["a", "a", "b", "b"]
    assert staged.refused == ()


def test_a_portion_that_was_staged_is_not_read_again(fake, draw_head, tmp_path) -> None:
    cases = fake({"a": volume(draw_head)})
    first = read_fakes(tmp_path, cases)
    fake({"a": DataError("read again")})
    assert read_fakes(tmp_path, cases) == first
