"""What a person sees while a search runs: a table of the trials under way, a line for each that ends, the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, TrialState

from glioray.pages import duration
from glioray.training.checkpoints import Say
from glioray.tuning.study import ENDED, Study

Draw = Callable[[str, Sequence[str], Sequence[Sequence[object]]], None]
LOOK_EVERY_S = 1.0
PAGE_SHARE = 0.02  # of the time, that drawing the page may take


@dataclass
class Watcher:
    """Called after whatever happens; looks at the study about once a second.

    Args:
        draw: shows a table.
        say: told a line.
        write: writes the page.
    """

    draw: Draw
    say: Say
    write: Callable[[], object]
    _told: set[int] = field(default_factory=set)
    _look_at: float = 0.0
    _write_at: float = 0.0
    _began: int = -1

    def __call__(self, study: Study) -> None:
        """Shows what is new, if it is time."""
        if time.monotonic() >= self._look_at:
            self.look(study)
            self._look_at = time.monotonic() + LOOK_EVERY_S

    def look(self, study: Study) -> None:
        """Shows what is new."""
        now = time.monotonic()
        ended = study.ended
        if self._began < 0:
            self._began = len(ended)
            self._told = {trial.number for trial in ended}
        for trial in ended:
            if trial.number not in self._told:
                self._told.add(trial.number)
                self.say(ending(study, trial))
        columns = ("trial", "epoch", f"{study.space.search.metric[0]} on val", "settings")
        self.draw(title(study, len(ended) - self._began), columns, rows(study))
        if len(ended) > self._began and now > self._write_at:
            self._try_to_write()
            self._write_at = time.monotonic() + (time.monotonic() - now) / PAGE_SHARE

    def _try_to_write(self) -> None:
        """What goes wrong with a page must not end a search."""
        try:
            self.write()
        except Exception as error:
            self.say(f"the page could not be written: {type(error).__name__}: {error}")


def title(study: Study, of_this_start: int) -> str:
    """How far the search is, what is best, how long it may take."""
    ended = study.ended
    counts = ", ".join(
        f"{number} {name}"
        for name, state in (
            ("complete", TrialState.COMPLETE),
            ("stopped", TrialState.PRUNED),
            ("failed", TrialState.FAIL),
        )
        if (number := sum(trial.state == state for trial in ended))
    )
    parts = [f"{len(ended)} of {study.most} trials" + (f" ({counts})" if counts else "")]
    if study.best:
        best = study.best[0]
        parts.append(f"best {best.values[0]:.4f} in trial {best.number}")
    parts.append(f"{duration(study.spent_s)} so far")
    left_s = time_left_s(study, of_this_start)
    if left_s is not None:
        parts.append(f"about {duration(left_s)} left")
    return " · ".join(parts)


def time_left_s(study: Study, of_this_start: int) -> float | None:
    """At the pace of this start; at most what the time budget leaves; none before the first trial has ended."""
    budget = study.space.search.time_budget_s
    left = [] if budget is None else [max(0.0, budget - study.spent_s)]
    if of_this_start:
        left.append(study.start_s / of_this_start * (study.most - len(study.ended)))
    return min(left, default=None)


def rows(study: Study) -> list[tuple[object, ...]]:
    """A row for each trial under way."""
    running = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    epochs = study.space.base.budget.epochs
    return [
        (
            trial.number,
            f"{max(trial.intermediate_values, default=0)}/{epochs}",
            f"{list(trial.intermediate_values.values())[-1]:.4f}" if trial.intermediate_values else "",
            settings_text(study, trial),
        )
        for trial in running
    ]


def ending(study: Study, trial: FrozenTrial) -> str:
    """One trial's end in a line."""
    value = f"{trial.values[0]:.4f}" if trial.values else "no figure"
    ended = trial.user_attrs.get(ENDED, "")
    return f"trial {trial.number}: {value}, {ended}; {settings_text(study, trial)}"


def settings_text(study: Study, trial: FrozenTrial) -> str:
    """What is tried, shortly."""
    return ", ".join(
        f"{path.rpartition('.')[2]} {value:.3g}" if isinstance(value, float) else f"{path.rpartition('.')[2]} {value}"
        for path, value in study.settings(trial).items()
    )
