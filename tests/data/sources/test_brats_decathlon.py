"""The brain tumors of the Medical Segmentation Decathlon, which `brats_nifti` reads too."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.data.sources.brats_cases import (
    SHAPE,
    found_in,
    mask_of,
    save,
)

from glioray.data.sources import brats_nifti, raw_scans
from glioray.errors import UnreadableError


@pytest.fixture
def decathlon(tmp_path):
    """Two images with channels FLAIR, T1w, t1gd, T2w of values 0..3; labels 1, 2, 3 in slice 2 of the first."""
    folder = tmp_path / "Task01_BrainTumour"
    record = {
        "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
    }
    image = np.broadcast_to(np.arange(4, dtype=np.float32), (*SHAPE, 4)).copy()
    for number in (1, 2):
        save(folder / "imagesTr" / f"BRATS_00{number}.nii.gz", image)
        save(folder / "labelsTr" / f"BRATS_00{number}.nii.gz", mask_of(1, 2, 3))
        (folder / "imagesTr" / f"._BRATS_00{number}.nii.gz").write_bytes(b"Mac")
    save(folder / "imagesTs" / "BRATS_003.nii.gz", image)
    (folder / "dataset.json").write_text(json.dumps(record))
    return folder


def test_the_decathlons_channels_and_labels_become_ours(decathlon) -> None:
    for root in (decathlon, decathlon.parent):
        scans = raw_scans(brats_nifti, root)
        found = brats_nifti.find(scans)
        raw = brats_nifti.read(scans, found.cases[0])
        assert [case.patient_id for case in found.cases] == ["BRATS_001", "BRATS_002"]
        assert raw.image.shape == (5, 4, 7, 6)
        assert raw.image[0, :, 0, 0].tolist() == [1, 2, 3, 0]
        assert raw.mask[2, 0, :4].tolist() == [2, 1, 4, 0]
        assert raw.spacing_mm == (2.0, 1.0, 1.0)
    assert "Medical Segmentation Decathlon" in brats_nifti.describe(scans).citation


def test_the_decathlons_test_images_are_a_remark_and_a_missing_mask_is_refused(decathlon) -> None:
    (decathlon / "labelsTr" / "BRATS_002.nii.gz").unlink()
    found = found_in(decathlon)
    assert [case.case_id for case in found.cases] == ["BRATS_001"]
    assert found.refused[0].source == "imagesTr/BRATS_002.nii.gz"
    assert [remark.source for remark in found.remarks] == ["imagesTs"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("modality", {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "CT"}, "'CT'"),
        ("labels", {"0": "background", "1": "liver"}, "'liver'"),
        ("modality", {"0": "FLAIR", "2": "T1w"}, "wanted 0, 1, 2"),
        ("modality", "FLAIR", "str, wanted a name for each number"),
        ("labels", [float("inf")], "list, wanted a name for each number"),
    ],
)
def test_a_record_of_other_sequences_or_labels_is_refused(decathlon, key, value, reason) -> None:
    path = decathlon / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UnreadableError, match=f"^dataset.json: .*({reason})"):
        found_in(decathlon)


def test_a_decathlon_image_of_other_channels_is_refused(decathlon) -> None:
    save(decathlon / "imagesTr" / "BRATS_001.nii.gz", np.zeros((*SHAPE, 3), np.float32))
    scans = raw_scans(brats_nifti, decathlon)
    with pytest.raises(UnreadableError, match=r"^imagesTr/BRATS_001.nii.gz: 3 channels"):
        brats_nifti.read(scans, brats_nifti.find(scans).cases[0])
