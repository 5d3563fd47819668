"""Several runs at once: each one's own evaluation, that of all folds together, and the table over seeds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from glioray.data.folder import atomic_folder, check_output
from glioray.data.progress import OnCount, OnProgress
from glioray.data.records import Side
from glioray.evaluation.arrangement import Entry, Seed, arrange
from glioray.evaluation.device import require_device
from glioray.evaluation.doubt import with_doubt
from glioray.evaluation.findings import Cell, Section, Table, interval_text
from glioray.evaluation.place import default_folder, require_default
from glioray.evaluation.report import FILE_NAME as REPORT
from glioray.evaluation.report import HEADINGS, write_seed_report
from glioray.evaluation.result import Evaluation
from glioray.evaluation.run import OWN_NAMES, report
from glioray.evaluation.seeds import FILE_NAME as SEEDS
from glioray.evaluation.seeds import SeedReport
from glioray.evaluation.tested import Tested, answered, open_data
from glioray.pages import counted
from glioray.registry.card import describe, seed_text


@dataclass(frozen=True)
class Together:
    """What runs came to: an evaluation a seed, over all its folds, and where the page of all lies."""

    evaluations: tuple[Evaluation, ...]
    over_seeds: SeedReport | None
    page: Path

    @property
    def summary(self) -> dict[str, Any]:
        """A line a figure: those to say first, and of one run one of each class; the report has all."""
        first = self.evaluations[0]
        if self.over_seeds is None:
            scores = first.headline if first.runs else (*first.headline, *first.by_class)
            return {score.name: describe(score, first.leak) for score in scores}
        over = f"mean ± sd over seeds {self.over_seeds.seeds_text}, {first.split}, {counted(first.units, first.unit)}"
        leak = f" ({first.leak})" if first.leak else ""
        return {figure.name: f"{figure.text}, {over}{leak}" for figure in self.over_seeds.headline}

    @property
    def values(self) -> dict[str, Any]:
        """The same for programs."""
        first = self.evaluations[0]
        found: dict[str, Any] = {"report": str(self.page), "leak": first.leak}
        found["scores"] = [score.model_dump() for one in self.evaluations for score in one.scores]
        if self.over_seeds is not None:
            found["over_seeds"] = [figure.model_dump() for figure in self.over_seeds.figures]
        return found


def evaluate_runs(
    entries: Sequence[Entry],
    data: Path,
    out: Path | None,
    side: Side,
    show: OnProgress,
    device: str = "cpu",
    leaky: bool = False,
) -> Together:
    """One run, or several: each as if it were alone, then the folds together, then the seeds compared.

    Args:
        entries: one; folds of the same data; the same split with several seeds; or all folds of several seeds.
        data: folder that `glioray prepare` wrote.
        out: of what they come to. Default of one: where it belongs; of several: `evaluations/` and a name made of
            recipe, seeds, data and side. Where folds are pooled for several seeds, each seed's own lies beside it.
        side: `test`; of folds `val` too.
        show: called with (stage, images done, images in all).
        device: where the networks run.
        leaky: as of `evaluate`.

    Raises:
        GliorayError: they do not belong together, see `arrange`; or an evaluation fails, see `evaluate`.
    """
    require_device(device)
    if len(entries) == 1:
        folder = out or require_default(entries[0], data, side)
        check_output(folder, OWN_NAMES)
        _, only = _alone(entries[0], folder, data, side, partial(show, f"predict {side}"), device, leaky)
        return Together((only,), None, folder / REPORT)
    arranged = arrange(entries, data, side)
    folder = out or Path("evaluations") / arranged.folder_name
    has_folds, has_seeds = arranged.num_folds > 1, len(arranged.by_seed) > 1
    pooled = _folders(folder, list(arranged.by_seed)) if has_folds else {}
    _require_places(entries, data, side, pooled, folder if has_seeds else None)
    evaluations = []
    for seed, runs in arranged.by_seed.items():
        tested, own = _each(runs, data, side, show, device, leaky)
        evaluations.append(report(tested, pooled[seed], before=(_fold_by_fold(own),)) if has_folds else own[0])
    if not has_seeds:
        return Together(tuple(evaluations), None, folder / REPORT)
    found = SeedReport.of(evaluations)
    with atomic_folder(folder) as unfinished:
        found.save(unfinished)
        write_seed_report(found, unfinished)
    return Together(tuple(evaluations), found, folder / REPORT)


def _require_places(
    entries: Sequence[Entry], data: Path, side: Side, pooled: dict[Seed, Path], of_seeds: Path | None
) -> None:
    """Refuses, before anything is predicted, a place that holds something else."""
    for entry in entries:
        require_default(entry, data, side)
    for place in pooled.values():
        check_output(place, OWN_NAMES)
    if of_seeds:
        check_output(of_seeds, (SEEDS, REPORT))


def _folders(folder: Path, seeds: Sequence[Seed]) -> dict[Seed, Path]:
    """Where the folds of each seed are reported together."""
    if len(seeds) == 1:
        return {seeds[0]: folder}
    return {seed: folder.with_name(f"{folder.name}-{re.sub('[, ]+', '-', seed_text(seed))}") for seed in seeds}


def _each(
    runs: Sequence[Entry], data: Path, side: Side, show: OnProgress, device: str, leaky: bool
) -> tuple[list[Tested], list[Evaluation]]:
    """Every run of a seed by itself, written where an evaluation of it alone would be."""
    tested, own = [], []
    for entry in runs:
        stage = f"predict {side}, {Path(entry.name).name}"
        one, evaluation = _alone(entry, default_folder(entry, side), data, side, partial(show, stage), device, leaky)
        tested.append(replace(one, name=Path(entry.name).name))
        own.append(evaluation)
    return tested, own


def _alone(
    entry: Entry, out: Path, data: Path, side: Side, on_progress: OnCount, device: str, leaky: bool
) -> tuple[Tested, Evaluation]:
    found = entry.found
    is_published = found.path is None
    bundle = found.bundle if is_published else with_doubt(found.bundle, open_data(data, found.bundle.config))
    tested = answered(bundle, data, side, on_progress, device, leaky=leaky)
    evaluation = report([tested], out)
    if evaluation.belongs_to(bundle.config):
        bundle = bundle.with_scores(evaluation.scores)
    if bundle is not found.bundle:
        found.keep(bundle)
    return tested, evaluation


def _fold_by_fold(own: Sequence[Evaluation]) -> Section:
    """What each fold came to by itself."""
    names = dict.fromkeys(score.name for one in own for score in one.headline)
    rows: list[tuple[Cell, ...]] = [
        (one.folds[0], one.units, *(interval_text(one.scores, name) for name in names)) for one in own
    ]
    header = ("fold", own[0].unit, *(HEADINGS[name] for name in names))
    return Section("Fold by fold", _FOLDS, table=Table(header, tuple(rows)))


_FOLDS = "Each model by itself. The figures above are over all patients or groups at once, not the mean of these rows."
