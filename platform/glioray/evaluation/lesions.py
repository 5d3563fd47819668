"""Lesions that were found, missed and made up: the parts of a mask that hang together in three dimensions.

Rule. Voxels that share a face, an edge or a corner belong to one lesion, across slices too. A true lesion is found
where at least one of its voxels was predicted; a predicted lesion is false where none of its voxels is true. Lesions
smaller than 0.05 ml are not counted on either side (without a known spacing: 10 pixels), but their voxels find others
and are found. So two predicted parts on one true lesion count as one, and one part across two true lesions finds both.
A mask over the whole head would find everything: Dice and pixel precision stand beside.

Source: lesion-wise scores of BraTS 2023, arXiv 2305.19369, which leaves out lesions under 50 voxels of 1 mm³; here no
mask is grown before it is taken apart.

Shapes: D slices, H x W pixels, U units, K labels, R regions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import skimage.measure
from numpy.typing import NDArray

from glioray.evaluation.bootstrap import Draws, Floats, shares
from glioray.evaluation.findings import Cell, Section, Table, interval_text
from glioray.evaluation.hausdorff import Mask
from glioray.evaluation.scoring import Circumstances, Scores, resampled_scores

SMALLEST_ML = 0.05
SMALLEST_PX = 10
KINDS = ("found", "missed", "false")

Counts = NDArray[np.int64]


def count_lesions(predicted: Mask, truth: Mask, voxel_ml: float | None) -> Counts:
    """(3,) true lesions found, true lesions missed, false lesions of two masks (D,H,W); `voxel_ml` as it is known."""
    smallest = SMALLEST_PX if voxel_ml is None else SMALLEST_ML / voxel_ml
    found = _touching(truth, predicted, smallest)
    wrong = ~_touching(predicted, truth, smallest)
    return np.array([np.count_nonzero(found), np.count_nonzero(~found), np.count_nonzero(wrong)])


def lesion_scores(names: Sequence[str], counts: Counts, cases: Counts, circumstances: Circumstances) -> Scores:
    """Share of true lesions found, of found and false ones true, their F1, and false lesions a case.

    Lesions of all patients are counted together; in a resample those of a patient as often as it was drawn.

    Args:
        names: (K+R,) labels and regions.
        counts: (U,K+R,3) lesions of each patient.
        cases: (U,) scans of each patient.
        circumstances: the same for all.
    """

    def figures(drawn: Draws) -> Floats:
        found, missed, wrong = (drawn @ kind for kind in np.moveaxis(counts, 2, 0))
        scans = np.broadcast_to((drawn @ cases)[:, None], found.shape)
        parts = ((found, found + missed), (found, found + wrong), (2 * found, 2 * found + missed + wrong))
        return np.column_stack([shares(*part) for part in (*parts, (wrong, scans))])

    units = {f"lesion_recall/{name}": int(n) for name, n in zip(names, _patients(counts[..., :2]), strict=True)}
    units |= {f"lesion_precision/{name}": int(n) for name, n in zip(names, _patients(counts[..., ::2]), strict=True)}
    units |= {f"lesion_f1/{name}": int(n) for name, n in zip(names, _patients(counts), strict=True)}
    units |= dict.fromkeys((f"false_lesions/{name}" for name in names), circumstances.units)
    return resampled_scores(units, figures, circumstances)


def lesion_section(names: Sequence[str], counts: Counts, scores: Scores, is_in_ml: bool) -> Section:
    """The section of the report; `counts` and `names` as in `lesion_scores`."""
    measures = ("lesion_recall", "lesion_precision", "lesion_f1", "false_lesions")
    rows: list[tuple[Cell, ...]] = [
        (name, *map(int, total), *(interval_text(scores.defined, f"{measure}/{name}") for measure in measures))
        for name, total in zip(names, counts.sum(0), strict=True)
    ]
    header = ("", "found", "missed", "false", "share found", "share true", "F1", "false a case")
    smallest = f"{SMALLEST_ML} ml" if is_in_ml else f"{SMALLEST_PX} px of the prepared image"
    return Section("Lesion by lesion", _TEXT.format(smallest), table=Table(header, tuple(rows)))


def _touching(mask: Mask, other: Mask, smallest: float) -> NDArray[np.bool_]:
    """(L,) of each part of a mask that is large enough: whether the other has a voxel of it."""
    parts, num_parts = skimage.measure.label(mask, return_num=True, connectivity=mask.ndim)
    sizes = np.bincount(parts[mask], minlength=num_parts + 1)[1:]
    shared = np.bincount(parts[mask & other], minlength=num_parts + 1)[1:]
    touching: NDArray[np.bool_] = shared[sizes >= smallest] > 0
    return touching


def _patients(counts: Counts) -> Counts:
    """(K+R,) those who have any of the counted lesions (U,K+R,...)."""
    having: Counts = np.count_nonzero(counts.sum(2), axis=0)
    return having


_TEXT = (
    "A lesion is what hangs together in three dimensions, over corners too. A true one is found where at least one of "
    "its voxels was predicted; a predicted one is false where none of its voxels is true. Those under {} are not "
    "counted. Share found: of the true lesions. Share true: found lesions among found and false ones. F1: their "
    "harmonic mean. Over the lesions of all patients together; intervals draw patients."
)
