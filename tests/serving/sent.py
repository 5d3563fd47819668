"""Slices and volumes as they are sent to the service."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.serving.upload import FILE, Sent, Upload
from glioray.serving.volume_settings import Limits, VolumeArgs

CHANNELS = ("t1", "t1ce", "t2", "flair")
LIMITS = VolumeArgs().limits
MAX_BODY_BYTES = 100_000  # of a slice
OBLIQUE = np.array([[-0.9, 0.1, 0.4, 30.0], [0.2, -1.1, 0.3, -20.0], [0.1, 0.2, 4.0, 5.0], [0, 0, 0, 1]])


def sent(content: bytes, order: tuple[str, ...] = ()) -> Sent:
    """One file."""
    return Sent({FILE: Upload(content, "'scan'")}, order)


def form(files: dict[str, bytes]) -> Sent:
    """A part for each sequence."""
    return Sent({name: Upload(content, repr(f"{name}.nii")) for name, content in files.items()})


def few(**limits: int) -> Limits:
    """The usual limits but for some."""
    return Limits(**{**vars(LIMITS), **limits})


def slices(head: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """(N,C,H,W) of sequences that were written with columns to the left and rows to the back."""
    return np.stack([head[name].T for name in CHANNELS], axis=1)
