"""The truth that was given with an image: a class's name, or a mask on the same grid.

Shapes: N slices, H x W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.image_file import decode_slice
from glioray.data.sources._brats import ENHANCING, ENHANCING_SINCE_2023
from glioray.errors import DataError, did_you_mean
from glioray.insight.files import content_of
from glioray.insight.subject import Labels
from glioray.registry.bundle import BundleConfig
from glioray.serving.kinds import kind_of
from glioray.serving.upload import FILE, Sent, Upload
from glioray.serving.volume_reading import read_volume
from glioray.serving.volume_settings import VolumeArgs


def true_label(text: str, config: BundleConfig) -> str:
    """The class of this name.

    Raises:
        DataError: the model has no such class.
    """
    if text not in config.contents.classes:
        raise DataError(f"--truth {text!r}: no class of the model{did_you_mean(text, config.contents.classes)}")
    return text


def true_mask(file: Path, config: BundleConfig, shape: tuple[int, ...]) -> Labels:
    """(N,H,W) in the model's labels, of an image file or a volume.

    Args:
        file: a mask; of a model with one label any one value beside 0 stands for it, and 3 for an enhancing tumor.
        config: of the model.
        shape: of the image that it belongs to, (N,H,W).

    Raises:
        DataError: it has another shape, or a value that is none of the model's labels.
        UnreadableError: it cannot be read.
    """
    values = _read(content_of(file), str(file))
    if values.shape != shape:
        raise DataError(
            f"{file}: the mask is {_sides(values.shape)}, the image {_sides(shape)} (slices, rows, columns); give the "
            "mask of this image, with one number for each pixel"
        )
    return known_labels(values, config, str(file))


def known_labels(values: NDArray[Any], config: BundleConfig, name: str) -> Labels:
    """The same label map in the model's labels; raises as `true_mask`."""
    labels = config.contents.labels
    found = [value for value in np.unique(values).tolist() if value]
    known = set(labels.values())
    if len(known) == len(found) == 1:
        return np.where(values != 0, min(known), 0).astype(np.uint8)
    if ENHANCING in known - set(found) and ENHANCING_SINCE_2023 in set(found) - known:
        values = np.where(values == ENHANCING_SINCE_2023, ENHANCING, values)
        found = np.unique(values[values != 0]).tolist()
    if unknown := [value for value in found if value not in known]:
        wanted = ", ".join(f"{value} {label}" for label, value in labels.items())
        raise DataError(f"{name}: the mask holds {unknown[0]:g}, which is no label of the model ({wanted}; 0 is none)")
    return np.asarray(values).astype(np.uint8)


def volume_values(content: bytes, name: str) -> NDArray[Any]:
    """(N,H,W) as a mask's NIfTI file holds them, its slices as those of a volume that is asked about."""
    values: NDArray[Any] = read_volume(Sent({FILE: Upload(content, name)}), ("mask",), VolumeArgs().limits).image[:, 0]
    return values


def _read(content: bytes, name: str) -> NDArray[Any]:
    """(N,H,W); a slice is a volume of one."""
    if kind_of(content) == "nifti":
        return volume_values(content, name)
    return decode_slice(content, name)


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
