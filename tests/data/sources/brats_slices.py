"""Small volumes in slices of HDF5, as `brats_h5` reads them."""

from __future__ import annotations

import h5py
import numpy as np

from glioray.data.sources import brats_h5, raw_scans

WIDTH, HEIGHT = 6, 7
PLACE = "BraTS2020_training_data/content/data"
BRATS_AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float)


def pixels_of(slice_):
    """(W, H, 4) where channel c of slice s holds 10 s + c."""
    return np.broadcast_to(10.0 * slice_ + np.arange(4), (WIDTH, HEIGHT, 4))


def one_hot_of(*labels):
    mask = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
    for x, label in enumerate(labels):
        mask[x, 0, {1: 0, 2: 1, 4: 2}[label]] = 1
    return mask


def write_slice(root, volume, slice_, image=None, mask=None, **kept):
    path = root / f"volume_{volume}_slice_{slice_}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=pixels_of(slice_) if image is None else image, **kept)
        file.create_dataset("mask", data=one_hot_of() if mask is None else mask, **kept)
    return path


def found_in(root, **options):
    return brats_h5.find(raw_scans(brats_h5, root, options=options))


def only_volume(root, **options):
    scans = raw_scans(brats_h5, root, options=options)
    (case,) = brats_h5.find(scans).cases
    return brats_h5.read(scans, case)
