"""What a sweep has come to, as plain values: `sweep.json`, `best.yaml`, and what the page is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from glioray.frozen import Frozen
from glioray.plain_values import flat
from glioray.recipe import Recipe
from glioray.registry.card import NOT_A_DEVICE, describe
from glioray.training.record import write_at_once
from glioray.tuning.confirm import Confirmed
from glioray.tuning.plan import SweepPlan
from glioray.tuning.study import COST, ENDED, Importance, Study

SWEEP, BEST = "sweep.json", "best.yaml"
SCHEMA_VERSION = 1
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


class TrialRow(Frozen):
    """One trial: what it tried, how it ended, what it cost."""

    number: int
    state: str
    ended: str
    settings: dict[str, Any]
    values: tuple[float, ...] | None
    epochs: dict[int, float]
    num_epochs: int
    seconds: float
    core_s: float
    after_s: float | None


class SweepResult(Frozen):
    """All of it; `best` holds the numbers of the best trials, the first one that was chosen."""

    schema_version: int = SCHEMA_VERSION
    name: str
    model: str
    task: str
    data: str
    val: str
    test: str
    leak: str | None
    synthetic: bool
    seed: int
    sampler: str
    scheduler: str
    concurrency: int
    metric: tuple[str, ...]
    mode: tuple[str, ...]
    most: int
    epochs: int
    spent_s: float
    trials: tuple[TrialRow, ...]
    importance: dict[str, float]
    importance_over: str = Field(description="which trials are compared for it")
    best: tuple[int, ...]
    changed: tuple[tuple[str, Any, Any], ...]
    confirmed: tuple[Confirmed, ...]

    @classmethod
    def of(cls, plan: SweepPlan, study: Study, confirmed: tuple[Confirmed, ...] = ()) -> SweepResult:
        """As the study stands."""
        space, manifest = plan.space, plan.data.manifest
        found, importance = chosen(study), study.importance()
        return cls(
            name=plan.name,
            model=space.base.model.name,
            task=space.base.task,
            data=f"{manifest.settings.source} {manifest.fingerprint}",
            val=plan.data.describe("val"),
            test=plan.data.describe("test"),
            leak=str(manifest.leak) if manifest.leak else None,
            synthetic=manifest.contents.synthetic,
            seed=space.base.seed,
            sampler=space.search.sampler.name,
            scheduler=space.search.scheduler.name,
            concurrency=space.search.concurrency,
            metric=space.search.metric,
            mode=space.search.mode,
            most=study.most,
            epochs=space.base.budget.epochs,
            spent_s=study.worked_s,
            trials=tuple(_row(study, trial) for trial in study.trials),
            importance=importance.shares,
            importance_over=_over(importance),
            best=tuple(trial.number for trial in _ranked(study)),
            changed=_changed(space.base, study.recipe(found)) if found else (),
            confirmed=confirmed,
        )

    @property
    def rows_of(self) -> dict[str, list[TrialRow]]:
        """Trials by how they ended."""
        return {state: [row for row in self.trials if row.state == state] for state in _STATES.values()}

    @property
    def chosen(self) -> TrialRow | None:
        """The best trial."""
        return next((row for row in self.trials if self.best and row.number == self.best[0]), None)

    @property
    def core_s(self) -> float:
        """Of all trials."""
        return sum(row.core_s for row in self.trials)

    @property
    def seconds(self) -> float:
        """Of all trials, one after the other."""
        return sum(row.seconds for row in self.trials)

    @property
    def full_epochs(self) -> int:
        """If none had been stopped."""
        return self.epochs * sum(row.state in ("complete", "stopped") for row in self.trials)

    @property
    def saved_epochs(self) -> int:
        """That stopped trials were not trained for."""
        return sum(self.epochs - row.num_epochs for row in self.trials if row.state == "stopped")

    @property
    def ranked(self) -> list[TrialRow]:
        """Complete trials, the best first, then stopped, failed and running ones."""
        sign = -1 if self.mode[0] == "max" else 1
        order = list(_STATES.values())
        return sorted(
            self.trials,
            key=lambda row: (order.index(row.state), sign * row.values[0] if row.values else 0.0, row.number),
        )

    def value_text(self, row: TrialRow) -> str:
        """A trial's figures with what they are over."""
        if row.values is None:
            return "no figure"
        figures = ", ".join(f"{name} {value:.4g}" for name, value in zip(self.metric, row.values, strict=True))
        leak = f" ({self.leak})" if self.leak else ""
        return f"{figures}, val, {self.val}, seed {self.seed}{leak}"

    def save(self, folder: Path) -> None:
        """Writes `sweep.json`."""
        write_at_once(folder / SWEEP, f"{self.model_dump_json(indent=1)}\n".encode())


def chosen(study: Study) -> FrozenTrial | None:
    """The best trial; of several metrics, of those that none beats the one that is best in the first."""
    return next(iter(_ranked(study)), None)


def write_best(plan: SweepPlan, study: Study) -> Recipe | None:
    """Writes `best.yaml`, which `glioray train` takes as it is; gives the recipe, or none while there is none."""
    found = chosen(study)
    if found is None:
        return None
    recipe = study.recipe(found)
    head = (
        f"# Trial {found.number} of the sweep {plan.name}: the best of {len(study.ended)} by "
        f"{', '.join(plan.space.search.metric)} on val, which chose it: no test score.\n# {NOT_A_DEVICE}\n"
    )
    write_at_once(plan.folder / BEST, (head + recipe.to_yaml()).encode())
    return recipe


def test_text(row: Confirmed, leak: str | None) -> str:
    """The first figure of the test split, with its interval."""
    return f"{row.test[0].name} {describe(row.test[0], leak)}" if row.test else "not tested"


def _ranked(study: Study) -> list[FrozenTrial]:
    sign = -1 if study.space.search.mode[0] == "max" else 1
    return sorted(study.best, key=lambda trial: (sign * trial.values[0], trial.number))


def _row(study: Study, trial: FrozenTrial) -> TrialRow:
    cost = trial.user_attrs.get(COST, {})
    return TrialRow(
        number=trial.number,
        state=_STATES[trial.state],
        ended=trial.user_attrs.get(ENDED, ""),
        settings=study.settings(trial),
        values=tuple(trial.values) if trial.values is not None else None,
        epochs=dict(trial.intermediate_values),
        num_epochs=int(cost.get("epoch", len(trial.intermediate_values))),
        seconds=cost.get("seconds", 0.0),
        core_s=cost.get("core_s", 0.0),
        after_s=cost.get("after_s"),
    )


def _changed(base: Recipe, found: Recipe) -> tuple[tuple[str, Any, Any], ...]:
    before, after = flat(base.values()), flat(found.values())
    return tuple((path, before.get(path), value) for path, value in after.items() if before.get(path) != value)


def _over(importance: Importance) -> str:
    if importance.epoch is None:
        return f"{importance.num_trials} complete trials"
    return f"{importance.num_trials} trials, by their score after epoch {importance.epoch}, before any was stopped"
