"""Small cases of BraTS in NIfTI, as `brats_nifti` reads them."""

from __future__ import annotations

import nibabel
import numpy as np

from glioray.data.sources import brats_nifti, raw_scans

SHAPE = (6, 7, 5)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
ENDINGS = ("t1", "t1ce", "t2", "flair", "seg")
ENDINGS_SINCE_2023 = ("t1n", "t1c", "t2w", "t2f", "seg")
NO_FILE: tuple[str, ...] = ()


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def mask_of(*labels):
    mask = np.zeros(SHAPE, np.uint8)
    mask[: len(labels), 0, 2] = labels
    return mask


def write_case(folder, case_id, endings=ENDINGS, separator="_", suffix=".nii.gz", labels=(1, 2, 4), without=NO_FILE):
    """Sequences whose voxels all hold their channel's number, and a mask in slice 2."""
    for value, ending in enumerate(endings):
        if ending not in without:
            voxels = mask_of(*labels) if ending == "seg" else np.full(SHAPE, value, np.int16)
            save(folder / f"{case_id}{separator}{ending}{suffix}", voxels)


def found_in(root):
    return brats_nifti.find(raw_scans(brats_nifti, root))


def only_volume(root):
    scans = raw_scans(brats_nifti, root)
    (case,) = brats_nifti.find(scans).cases
    return brats_nifti.read(scans, case)
