"""Masks of several models laid over each other: Dice by patient, agreement, and the cases where they differ most.

Shapes: M models, N slices, V cases, U units, K labels, R regions, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from glioray.data.progress import OnCount
from glioray.evaluation.bootstrap import Floats, mean_by_unit
from glioray.evaluation.comparing.classes import first_of_each
from glioray.evaluation.comparing.kept import KeptMasks
from glioray.evaluation.comparing.material import Case, Material, PairIndex, Tile
from glioray.evaluation.comparing.paired import mean_parts, with_interval
from glioray.evaluation.comparing.result import Agreement
from glioray.evaluation.findings import Table
from glioray.evaluation.outlines import Labels, Outlines, slice_pixels
from glioray.evaluation.pool import Pool
from glioray.evaluation.scoring import Circumstances, volume_scores
from glioray.evaluation.volumes import Volumes, measure, named
from glioray.serving.drawing import grey_picture, overlay, png
from glioray.tasks.segmentation import Segmentation

MOST_CASES = 6


@dataclass(frozen=True)
class Masked:
    """What a model outlined: its figures, its masks, and where its own rows are in the order of the first model."""

    task: Segmentation
    pool: Pool
    outlines: Outlines
    kept: KeptMasks
    order: tuple[int, ...]


def examine(
    names: Sequence[str],
    models: Sequence[Masked],
    circumstances: Sequence[Circumstances],
    batch_size: int,
    on_progress: OnCount,
) -> Material:
    """Of every model's masks of the same slices."""
    task, pool = models[0].task, models[0].pool
    # Regions are what counts where all of them learned regions, as BraTS scores; else the labels.
    figure = "region_dice" if all(one.task.score == "region_dice" for one in models) else "dice"
    volumes = [measure(one.task, one.pool, one.outlines) for one in models]
    overlaps, unlike = _laid_over(task, models, batch_size, on_progress)
    by_case = {pair: _dice(task, pool, pixels, figure) for pair, pixels in overlaps.items()}
    return Material(
        figure=figure,
        scores=tuple(volume_scores(one.by_unit, where) for one, where in zip(volumes, circumstances, strict=True)),
        parts=tuple(mean_parts(one.by_unit[figure]) for one in volumes),
        agreements={pair: _agreement(pool, dice) for pair, dice in by_case.items()},
        cases=_cases(names, models, volumes, by_case, unlike, figure, batch_size),
        cases_text=_CASES,
        tables={f"{pool.unit}.csv": _by_unit(names, pool, volumes)},
        by_unit=tuple(one.by_unit[figure] for one in volumes),
    )


def _laid_over(
    task: Segmentation, models: Sequence[Masked], batch_size: int, on_progress: OnCount
) -> tuple[dict[PairIndex, Tensor], Floats]:
    """Of each pair the pixels (N,K+R,3) in both, in the first, in the second alone; (N,) pixels not all agree on."""
    num_rows = len(models[0].order)
    pixels: dict[PairIndex, list[Tensor]] = {pair: [] for pair in combinations(range(len(models)), 2)}
    unlike = np.zeros(num_rows)
    for start in range(0, num_rows, batch_size):
        rows = range(start, min(start + batch_size, num_rows))
        maps = [torch.from_numpy(one.kept.pick([one.order[row] for row in rows])) for one in models]
        for one, other in pixels:
            pixels[one, other].append(slice_pixels(task, maps[one], {"mask": maps[other]}))
        stacked = torch.stack(maps)
        unlike[rows.start : rows.stop] = (stacked != stacked[0]).any(dim=0).sum(dim=(1, 2)).numpy()
        on_progress(rows.stop, num_rows)
    return {pair: torch.cat(parts) for pair, parts in pixels.items()}, unlike


def _dice(task: Segmentation, pool: Pool, pixels: Tensor, figure: str) -> Floats:
    """(V,) of one model's mask with the other's; NaN where both are empty."""
    by_case = torch.zeros(len(pool.cases), *pixels.shape[1:], dtype=torch.float64)
    by_case.index_add_(0, pool.case_index, pixels)
    return named(task, "dice", task.by_patient({"pixels": by_case})["dice"].numpy())[figure]


def _agreement(pool: Pool, dice: Floats) -> Agreement:
    by_unit = mean_by_unit({"dice": dice}, pool.unit_of_case.numpy(), len(pool.units))["dice"]
    value, low, high = with_interval(mean_parts(by_unit))
    return Agreement(value=None if np.isnan(value) else value, low=low, high=high)


def _cases(
    names: Sequence[str],
    models: Sequence[Masked],
    volumes: Sequence[Volumes],
    by_case: dict[PairIndex, Floats],
    unlike: Floats,
    figure: str,
    batch_size: int,
) -> tuple[Case, ...]:
    """The cases in which two masks overlap least, each on the slice with the most pixels in doubt; one of a patient."""
    pool = models[0].pool
    least = np.min([np.where(np.isnan(dice), 1.0, dice) for dice in by_case.values()], axis=0)
    ranked = [int(case) for case in np.argsort(least, kind="stable") if least[case] < 1]
    chosen = first_of_each(ranked, pool.unit_of_case.tolist(), MOST_CASES)
    if not chosen:
        return ()
    case_of_row = pool.case_index.numpy()
    rows = [int(np.argmax(np.where(case_of_row == case, unlike, -1))) for case in chosen]
    picked = pool.pick(rows, batch_size)
    maps = [one.kept.pick([one.order[row] for row in rows]) for one in models]
    channels = pool.manifest.contents.channels
    found = []
    for place, (case, row) in enumerate(zip(chosen, rows, strict=True)):
        image = grey_picture(picked["image"][place].numpy(), channels)
        dice = [one.by_case[figure][case] for one in volumes]
        shown = _Shown(image, picked["mask"][place].numpy(), [one[place] for one in maps], dice)
        who = pool.rows[row]
        title = f"{who.case_id}, slice {who.slice_index}: overlap of the two least alike {least[case]:.2f}"
        found.append(Case(title, shown.tiles(names, models[0].task.labels)))
    return tuple(found)


@dataclass(frozen=True)
class _Shown:
    """A slice (S,S), its label maps, and each model's Dice on the whole case."""

    image: Labels
    truth: Labels
    maps: list[Labels]
    dice: list[float]

    def tiles(self, names: Sequence[str], labels: dict[str, int]) -> tuple[Tile, ...]:
        """The scan, the truth, and each model."""
        said = [
            Tile(png(overlay(self.image, one, labels)), name, "Dice –" if np.isnan(dice) else f"Dice {dice:.2f}")
            for name, one, dice in zip(names, self.maps, self.dice, strict=True)
        ]
        truth = Tile(png(overlay(self.image, self.truth, labels)), "truth")
        return (Tile(png(self.image), "scan"), truth, *said)


def _by_unit(names: Sequence[str], pool: Pool, volumes: Sequence[Volumes]) -> Table:
    """One row a patient: every model's figures, mean over the patient's cases."""
    columns = {
        f"{figure.replace('/', '_')} of {name}": [None if np.isnan(value) else float(value) for value in values]
        for name, one in zip(names, volumes, strict=True)
        for figure, values in one.by_unit.items()
    }
    cases = np.bincount(pool.unit_of_case.numpy(), minlength=len(pool.units)).tolist()
    header = (pool.unit.removesuffix("s"), "cases", *columns)
    return Table(header, tuple(zip(pool.units, cases, *columns.values(), strict=True)))


_CASES = (
    "The cases in which the masks of two models overlap least, each on the slice with the most pixels that not all "
    "models give the same label; one of each patient. Dice is with the truth, on all slices of the case."
)
