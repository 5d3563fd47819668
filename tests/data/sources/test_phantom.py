from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from glioray.data.sources import phantom, raw_scans
from glioray.errors import DataError, UnreadableError


@pytest.fixture
def phantom_folder(tmp_path, draw_head):
    """What the phantom writes, in small: a slice a class, one volume of 5 slices."""
    root = tmp_path / "phantom"
    for number, name in enumerate(phantom.CLASSES):
        (root / "slices" / name).mkdir(parents=True)
        Image.fromarray(draw_head(number)).save(root / "slices" / name / f"PHANTOM_{number:04d}_s012.png")
    (root / "PHANTOM.json").write_text(json.dumps({"synthetic": True}))
    folder = root / "volumes" / "PHANTOM_0000"
    folder.mkdir(parents=True)
    for value, name in enumerate((*phantom.CHANNELS, "seg")):
        voxels = np.full((6, 7, 5), value, np.int16)
        nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), folder / f"PHANTOM_0000_{name}.nii.gz")
    return root


def read_first(root, task=None):
    scans = raw_scans(phantom, root, task)
    return phantom.read(scans, phantom.find(scans).cases[0])


def test_a_slice_knows_its_patient_and_its_place(phantom_folder) -> None:
    scans = raw_scans(phantom, phantom_folder)
    case = phantom.find(scans).cases[1]
    assert (case.patient_id, case.label) == ("PHANTOM_0001", 1)
    assert phantom.read(scans, case).slice_indices == (12,)


def test_the_sequences_of_a_volume_are_its_channels_in_order(phantom_folder) -> None:
    raw = read_first(phantom_folder, "segmentation")
    assert raw.image.shape == (5, 4, 7, 6)
    assert raw.image[0, :, 0, 0].tolist() == [0, 1, 2, 3]
    assert set(np.unique(raw.mask)) == {4}


def test_the_spacing_of_a_volume_is_that_of_its_files(volume_folder) -> None:
    assert read_first(volume_folder, "segmentation").spacing_mm == (5, 3, 2)


def test_the_contents_say_that_they_are_synthetic() -> None:
    for task in phantom.OFFERED:
        contents = phantom.describe(raw_scans(phantom, Path("anywhere"), task))
        assert contents.synthetic
        assert "SYNTHETIC" in contents.citation
    assert contents.regions["TC"] == ("necrotic", "enhancing")


def test_a_sequence_of_another_size_is_refused(phantom_folder) -> None:
    path = phantom_folder / "volumes" / "PHANTOM_0000" / "PHANTOM_0000_seg.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 7, 4), np.int16), np.eye(4)), path)
    with pytest.raises(UnreadableError, match=r"seg\.nii\.gz: \(4, 7, 6\) voxels"):
        read_first(phantom_folder, "segmentation")


def test_a_label_that_is_not_known_is_refused(phantom_folder) -> None:
    path = phantom_folder / "volumes" / "PHANTOM_0000" / "PHANTOM_0000_seg.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.full((6, 7, 5), 7, np.int16), np.eye(4)), path)
    with pytest.raises(UnreadableError, match="the mask holds 7"):
        read_first(phantom_folder, "segmentation")


def test_a_missing_sequence_is_refused(phantom_folder) -> None:
    (phantom_folder / "volumes" / "PHANTOM_0000" / "PHANTOM_0000_t2.nii.gz").unlink()
    with pytest.raises(DataError, match=r"t2\.nii\.gz' is missing"):
        phantom.find(raw_scans(phantom, phantom_folder, "segmentation"))


def test_a_folder_without_its_record_is_no_phantom(phantom_folder) -> None:
    (phantom_folder / "PHANTOM.json").unlink()
    with pytest.raises(DataError, match="no phantom of glioray"):
        phantom.find(raw_scans(phantom, phantom_folder))
