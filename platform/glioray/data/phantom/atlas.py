"""The template head, loaded once: tissues of MNI152 and the head built round them.

Source: Fonov 2011, doi:10.1016/j.neuroimage.2010.07.033, as shipped inside nilearn (no download).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn.functional import grid_sample

from glioray.data.phantom import head
from glioray.data.phantom.grid import Floats

SHARPNESS = 2.5  # the template is a mean of 152 heads; this power gives one head's crisp cortex back

# Channels of `Atlas.tissues`, in order.
CSF, GREY, WHITE = range(3)


@dataclass(frozen=True)
class Lattice:
    """Channels (C, X, Y, Z) with their place in MNI space."""

    channels: torch.Tensor
    lowest_mm: NDArray[np.float64]
    spacing_mm: float

    def at(self, points_mm: Floats, num_channels: int | None = None) -> Floats:
        """The first channels (C, ...) at points (3, ...), linear; outside, the border's value."""
        size = np.array(self.channels.shape[1:], dtype=np.float32)
        scale = 2 / (self.spacing_mm * (size - 1))
        unit = (points_mm - self._column(self.lowest_mm)) * self._column(scale) - 1
        # grid_sample wants the last axis first and coordinates in the last place.
        places = torch.from_numpy(np.ascontiguousarray(np.moveaxis(unit[::-1], 0, -1)))
        sampled = grid_sample(
            self.channels[None, :num_channels], places[None], padding_mode="border", align_corners=True
        )
        return sampled[0].numpy()

    @staticmethod
    def _column(values: NDArray[np.float64]) -> Floats:
        return values.astype(np.float32).reshape(3, 1, 1, 1)


@dataclass(frozen=True)
class Atlas:
    """Brain tissues at 1 mm, the head at 2 mm, and where a tumor of each kind may begin.

    `deep_white_mm` and `dura_mm` are (N, 3) points in MNI space.
    """

    tissues: Lattice
    head: Lattice
    deep_white_mm: Floats
    dura_mm: Floats


@cache
def load_atlas() -> Atlas:
    """The template head; takes about two seconds, once a process."""
    tissues, lowest_mm = _load_tissues()
    brain = tissues.sum(axis=0)
    shell = head.build_head(brain, lowest_mm)
    return Atlas(
        tissues=Lattice(torch.from_numpy(tissues), lowest_mm, 1.0),
        head=Lattice(torch.from_numpy(shell), head.LOWEST_MM, head.LATTICE_MM),
        deep_white_mm=_deep_white(tissues[WHITE], lowest_mm),
        dura_mm=_dura(shell[head.CASE_DISTANCE]),
    )


def _load_tissues() -> tuple[Floats, NDArray[np.float64]]:
    """CSF, grey and white matter (3, X, Y, Z), sharpened, cropped to the brain."""
    from nilearn import datasets  # takes seconds to import, and only the phantom needs it

    template = datasets.load_mni152_template(resolution=1)
    whole = template.get_fdata(dtype=np.float32)
    grey = datasets.load_mni152_gm_template(resolution=1).get_fdata(dtype=np.float32)
    white = datasets.load_mni152_wm_template(resolution=1).get_fdata(dtype=np.float32)
    brain = whole > 0
    box = tuple(slice(s.start - 2, s.stop + 2) for s in ndimage.find_objects(brain.astype(np.uint8))[0])
    box = tuple(slice(max(s.start, 0), s.stop) for s in box)
    fluid = np.clip(1 - grey - white, 0, 1)
    # The grey map keeps a rim in the ventricles, where the T1 template is clearly dark.
    dark = np.clip((0.5 - whole) / 0.2, 0, 1)
    fluid, grey = fluid + dark * grey, grey * (1 - dark)
    powers = np.stack([fluid[box], grey[box], white[box]]) ** SHARPNESS
    tissues = powers / np.clip(powers.sum(axis=0), 1e-6, None) * brain[box]
    corner = np.array([s.start for s in box], dtype=np.float64)
    return tissues.astype(np.float32), corner + template.affine[:3, 3]


def _deep_white(white: Floats, lowest_mm: NDArray[np.float64]) -> Floats:
    """Points amid white matter of a hemisphere, away from midline and brain stem."""
    points = np.argwhere(ndimage.gaussian_filter(white, 4.0)[::3, ::3, ::3] > 0.6) * 3 + lowest_mm
    x, y, z = points.T
    chosen = points[(np.abs(x) > 14) & (z > -26) & (z < 52) & (y > -85)]
    return np.asarray(chosen, dtype=np.float32)


def _dura(case_distance: Floats) -> Floats:
    """Points on the inner surface of the brain case, skull base and vault."""
    points = np.argwhere(np.abs(case_distance[::2, ::2, ::2]) < 1.2) * 2 * head.LATTICE_MM + head.LOWEST_MM
    return np.asarray(points[(points[:, 2] > -34) & (points[:, 2] < 66)], dtype=np.float32)
