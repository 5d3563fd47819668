"""The figures of every case on all of its slices, and of every patient: the mean of the patient's cases.

The false positive rate is over all pixels of the prepared slices that are not of the label, air around the head too, so
that it is small and depends on the field of view.

Shapes: N slices, V cases, U patients, K labels, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glioray.evaluation.agreement import Sizes
from glioray.evaluation.bootstrap import Floats, mean_by_unit, means, shares
from glioray.evaluation.lesions import Counts
from glioray.evaluation.outlines import Outlines
from glioray.evaluation.pool import Pool
from glioray.tasks.segmentation import Segmentation


@dataclass(frozen=True)
class Volumes:
    """Figures of cases (V,) and of patients (U,) by their score's name: `dice`, `region_dice`, `dice/WT`.

    NaN where a figure is not defined: for want of a pixel, or as `hausdorff` says.
    """

    by_case: dict[str, Floats]
    by_unit: dict[str, Floats]
    sizes_by_case: Sizes
    sizes: Sizes
    lesions_by_case: Counts
    """(V,K+R,3) found, missed and false"""
    lesions: Counts
    """(U,K+R,3) of all cases of a patient together"""
    cases: Counts
    """(U,)"""
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
    slices = np.bincount(pool.case_index.numpy(), minlength=len(pool.cases))
    measured = {name: values.numpy() for name, values in task.by_patient({"pixels": pixels}).items()}
    measured |= _rates(pixels.numpy(), slices * pool.manifest.settings.preprocessing.image_size**2)
    measured[outlines.distance] = distances = np.stack([outlines.cases[key].hd95 for key in pool.cases])
    by_case = {name: column for what, values in measured.items() for name, column in named(task, what, values).items()}
    sizes = _sizes(task, pool, outlines, pixels.numpy())
    by_case |= {f"{sizes.error}/{name}": errors for name, errors in sizes.errors.items()}
    lesions = np.stack([outlines.cases[key].lesions for key in pool.cases])
    return Volumes(
        by_case,
        mean_by_unit(by_case, pool.unit_of_case.numpy(), len(pool.units)),
        sizes,
        sizes.by_unit(pool.unit_of_case.numpy(), len(pool.units)),
        lesions,
        _sum_by_unit(lesions, pool.unit_of_case, len(pool.units)),
        np.bincount(pool.unit_of_case.numpy(), minlength=len(pool.units)),
        slices,
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


def _rates(pixels: Floats, totals: Counts) -> dict[str, Floats]:
    """False positive and false negative rates (V,K+R) of pixels (V,K+R,3) in both, only predicted, only true."""
    both, over, under = np.moveaxis(pixels, 2, 0)
    negative, positive = totals[:, None] - both - under, both + under
    return {"fpr": shares(over, negative), "fnr": shares(under, positive)}


def _sizes(task: Segmentation, pool: Pool, outlines: Outlines, pixels: Floats) -> Sizes:
    """Volumes of the cases of a pool, of pixels (V,K+R,3) as in `_rates`."""
    voxels = [outlines.cases[key].voxel_ml if outlines.is_in_mm else 1.0 for key in pool.cases]
    both, over, under = np.moveaxis(pixels, 2, 0)
    is_there = pixels.sum(-1) > 0
    predicted, true = (
        np.where(is_there, found * np.array(voxels, dtype=float)[:, None], np.nan)
        for found in (both + over, both + under)
    )
    return Sizes(
        dict(zip(task.names, predicted.T, strict=True)),
        dict(zip(task.names, true.T, strict=True)),
        outlines.size_unit,
    )


def _sum_by_unit(counts: Counts, unit_of_case: Tensor, num_units: int) -> Counts:
    """(U,...) of (V,...)."""
    total = np.zeros((num_units, *counts.shape[1:]), dtype=np.int64)
    np.add.at(total, unit_of_case.numpy(), counts)
    return total


def _mean_of_rows(values: Floats) -> Floats:
    mean: Floats = means(values.T, np.ones((1, values.shape[1]), dtype=np.int64))[0]
    return mean


def _units_with(pixels: Tensor, unit_of_case: Tensor, num_units: int) -> Counts:
    true = torch.zeros(num_units, pixels.shape[1], dtype=torch.float64)
    true.index_add_(0, unit_of_case, pixels[..., 0] + pixels[..., 2])
    found: Counts = np.count_nonzero(true.numpy(), axis=0)
    return found
