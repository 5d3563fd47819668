"""The figures of every case on all of its slices, and of every patient: the mean of the patient's cases.

Shapes: N slices, V cases, U patients, K labels, R regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioray.evaluation.bootstrap import Floats, means
from glioray.evaluation.outlines import Outlines
from glioray.evaluation.pool import Pool
from glioray.tasks.segmentation import Segmentation

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Volumes:
    """Figures of cases (V,) and of patients (U,) by their score's name: `dice`, `region_dice`, `dice/WT`.

    NaN where a figure is not defined: for want of a pixel, or as `hausdorff` says.
    """

    by_case: dict[str, Floats]
    by_unit: dict[str, Floats]
    slices: Counts
    """(V,)"""
    units_with: Counts
    """(K+R,) patients who have the label or region"""
    distances: Counts
    """(K+R,) cases with an HD95"""
    without_distance: Counts
    """(K+R,) cases with a true or a predicted pixel, but no HD95"""


def measure(task: Segmentation, pool: Pool, outlines: Outlines) -> Volumes:
    """All figures of the cases of a pool."""
    pixels = torch.zeros(len(pool.cases), *outlines.pixels.shape[1:], dtype=torch.float64)
    pixels.index_add_(0, pool.case_index, outlines.pixels)
    measured = {name: values.numpy() for name, values in task.by_patient({"pixels": pixels}).items()}
    measured[outlines.distance] = distances = np.stack([outlines.cases[key].hd95 for key in pool.cases])
    by_case = {name: column for what, values in measured.items() for name, column in named(task, what, values).items()}
    return Volumes(
        by_case,
        mean_by_unit(by_case, pool.unit_of_case, len(pool.units)),
        np.bincount(pool.case_index.numpy(), minlength=len(pool.cases)),
        _units_with(pixels, pool.unit_of_case, len(pool.units)),
        np.count_nonzero(~np.isnan(distances), axis=0),
        np.count_nonzero(np.isnan(distances) & (pixels.sum(-1) > 0).numpy(), axis=0),
    )


def named(task: Segmentation, measure: str, values: Floats) -> dict[str, Floats]:
    """(V,K+R) of a measure as columns (V,) under their names, the mean over labels and that over regions first.

    A mean is over the labels that a case has or was given, and NaN where there are none.
    """
    num_labels = len(task.labels)
    found = {measure: _mean_of_rows(values[:, :num_labels])}
    if task.regions:
        found[f"region_{measure}"] = _mean_of_rows(values[:, num_labels:])
    return found | {f"{measure}/{name}": column for name, column in zip(task.names, values.T, strict=True)}


def mean_by_unit(by_case: Mapping[str, Floats], unit_of_case: Tensor, num_units: int) -> dict[str, Floats]:
    """(U,) of each (V,): the mean over a unit's cases, those that are not defined (NaN) left out."""
    belongs = (unit_of_case[None] == torch.arange(num_units)[:, None]).long().numpy()
    columns = means(np.column_stack(list(by_case.values())), belongs).T
    return dict(zip(by_case, columns, strict=True))


def _mean_of_rows(values: Floats) -> Floats:
    mean: Floats = means(values.T, np.ones((1, values.shape[1]), dtype=np.int64))[0]
    return mean


def _units_with(pixels: Tensor, unit_of_case: Tensor, num_units: int) -> Counts:
    true = torch.zeros(num_units, pixels.shape[1], dtype=torch.float64)
    true.index_add_(0, unit_of_case, pixels[..., 0] + pixels[..., 2])
    found: Counts = np.count_nonzero(true.numpy(), axis=0)
    return found
