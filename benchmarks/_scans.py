"""SYNTHETIC scans to measure on: volumes as NIfTI, two of them as the slice files of the h5 edition, and JPEGs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
from PIL import Image

SIZE_PX, SLICES, JPEG_PX = 240, 155, 512
ORDER = ("t1", "t1ce", "t2", "flair")


def make_scans(folder: Path, num_cases: int) -> None:
    """Volumes as NIfTI, two of them as h5 slices, and JPEGs."""
    from glioray.data.phantom import PhantomSettings
    from glioray.data.phantom.images import scan_brain
    from glioray.data.phantom.patient import draw_patient

    if (folder / "complete").exists():
        return
    settings = PhantomSettings(num_patients=4, image_size=SIZE_PX, num_slices=SLICES)
    for place in ("nifti", "h5", "jpeg"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for number in range(num_cases):
        scan = scan_brain(draw_patient(number, 0), settings)  # patient 0 of every seed has a glioma
        volumes = {str(name): voxels for name, voxels in scan.sequences.items()} | {"seg": scan.labels}
        case = folder / "nifti" / f"BENCH_{number:03d}"
        case.mkdir()
        for name, voxels in volumes.items():
            nibabel.save(nibabel.Nifti1Image(voxels, scan.affine), case / f"{case.name}_{name}.nii.gz")
        if number < 2:
            write_h5(folder / "h5", number, volumes)
            write_jpeg(folder / "jpeg", number, volumes["t1ce"])
    (folder / "complete").touch()


def write_h5(folder: Path, number: int, volumes: dict[str, Any]) -> None:
    images = np.stack([volumes[name] for name in ORDER], axis=-1).astype(np.float64)
    images = (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))
    masks = np.stack([volumes["seg"] == value for value in (1, 2, 4)], axis=-1).astype(np.uint8)
    for place in range(SLICES):
        with h5py.File(folder / f"volume_{number}_slice_{place}.h5", "w") as file:
            file["image"], file["mask"] = images[:, :, place], masks[:, :, place]


def write_jpeg(folder: Path, number: int, volume: Any) -> None:
    for place in range(20, 135):
        pixels = np.clip(volume[:, :, place] * (255 / volume.max()), 0, 255).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((JPEG_PX, JPEG_PX), Image.Resampling.BICUBIC)
        picture.convert("RGB").save(folder / f"{number}_{place}.jpg", quality=90)
