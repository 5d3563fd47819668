"""`run.html`: what is trained, how it goes, and how to repeat it, on one page without scripts."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray import pages
from glioray.plain_values import flat
from glioray.recipe_file import command_of
from glioray.registry.card import NOT_A_DEVICE
from glioray.registry.run_folder import BUNDLE
from glioray.training.plan import Plan
from glioray.training.record import History, best_row, write_at_once, write_curves
from glioray.training.watching.listener import Listener
from glioray.training.watching.origin import Session, begin_session
from glioray.training.watching.plots import curves
from glioray.training.watching.scalars import RATE, SPILLED, STORE, WAITING, scalars
from glioray.training.watching.waiting import advice

FILE_NAME = "run.html"
SHOWN_EPOCHS, MOST_EPOCHS = 20, 500
DRAWING_SHARE = 0.02  # of the time, on an epoch that is shorter than a picture
_COLUMNS = {
    "loss": ("loss", "{:.4f}"),
    "val/loss": ("val loss", "{:.4f}"),
    "score": ("val score", "{:.4f}"),
    "learning_rate": ("learning rate", "{:.2g}"),
    "epoch_s": ("seconds", "{:,.1f}"),
    RATE: ("images/s", "{:,.0f}"),
    WAITING: ("waiting", "{:.1%}"),
}


@dataclass(frozen=True)
class Invocation:
    """How a person started the run: what was typed, and the run's folder as it can be pasted."""

    command: str
    folder: str

    @classmethod
    def of(cls, recipe: Path, settings: Sequence[str], name: str | None, runs: str, folder: str) -> Invocation:
        """The command again, without what decides only on which machines it runs and how it is told."""
        words = ["--name", name] if name else []
        words += [] if runs == "runs" else ["--runs", runs]
        return cls(command_of("train", recipe, settings, *words), folder)


class RunPage(Listener):
    """Writes `origin.json` once, and `run.html` and `curves.png` after every epoch."""

    name = "run.html"

    def __init__(self, plan: Plan, invocation: Invocation) -> None:
        self._plan, self._invocation = plan, invocation
        self._sessions: tuple[Session, ...] = ()
        self._pause_until = 0.0

    def begin(self, history: History) -> None:
        """The page is there before the first epoch ends."""
        self._sessions = begin_session(self._plan.folder, self._invocation.command, len(history) + 1)
        self._write(history, "running")

    def epoch(self, history: History) -> None:
        """Writes the page; draws the picture unless epochs are so short that drawing would slow them down."""
        self._write(history, "running")
        started_at = time.monotonic()
        if started_at >= self._pause_until:
            write_curves(self._plan.folder, history)
            now = time.monotonic()
            self._pause_until = now + (now - started_at) / DRAWING_SHARE

    def end(self, history: History, bundle: Path | None) -> None:
        """Writes both as they stay."""
        if history:
            write_curves(self._plan.folder, history)
        self._write(history, "stopped" if bundle is None else "complete")

    def _write(self, history: History, state: str) -> None:
        text = render(self._plan, history, state, self._invocation, self._sessions)
        write_at_once(self._plan.folder / FILE_NAME, text.encode())


def render(plan: Plan, history: History, state: str, invocation: Invocation, sessions: Sequence[Session]) -> str:
    """The page as HTML; `state` is running, stopped or complete."""
    return pages.render(
        "glioray.training.watching",
        "page.html.j2",
        style=pages.family_style(),
        not_a_device=NOT_A_DEVICE,
        plan=plan,
        state=state,
        invocation=invocation,
        sessions=sessions,
        written_at=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S"),
        has_bundle=(plan.folder / BUNDLE).exists(),
        epochs_done=len(history),
        recipe_rows=[(name, pages.word(value)) for name, value in flat(plan.recipe.values()).items()],
        plots=curves(history),
        advice=advice(plan, history),
        **_epoch_table(history),
        **_figures(history),
    )


def _epoch_table(history: History) -> dict[str, Any]:
    """The newest epochs first, and the best of all among them; a column only for what was measured."""
    best = history and int(history[-1]["best_epoch"])
    values = [(int(row["epoch"]), scalars(row)) for row in reversed(history[-MOST_EPOCHS:])]
    columns = [name for name in _COLUMNS if any(name in found for _, found in values)]
    rows = [(epoch, epoch == best, _cells(columns, found)) for epoch, found in values]
    return {
        "epoch_head": [_COLUMNS[name][0] for name in columns],
        "epoch_rows": rows[:SHOWN_EPOCHS],
        "older_rows": rows[SHOWN_EPOCHS:],
        "left_out": max(0, len(history) - MOST_EPOCHS),
    }


def _cells(columns: Sequence[str], found: Mapping[str, float]) -> list[str]:
    return [_COLUMNS[name][1].format(found[name]) if name in found else "–" for name in columns]


def _figures(history: History) -> dict[str, Any]:
    """What the best epoch came to on val, and how fast the last epochs are."""
    if not history:
        return {"best": None, "best_rows": [], "speed_rows": []}
    best, found = best_row(history), [scalars(row) for row in history]
    measured = scalars(best)
    return {
        "best": best if math.isfinite(best["score"]) else None,
        "best_rows": [(name.removeprefix("val/"), f"{measured[name]:.4f}") for name in measured if "val/" in name],
        "speed_rows": _speed_rows(found),
    }


def _speed_rows(found: Sequence[Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """First epoch and median of the later ones: the first also waits for what is read and compiled once."""
    texts = {
        "epoch_s": ("an epoch, s", "{:,.1f}"),
        "train_s": ("of it training, s", "{:,.1f}"),
        "first_step_s": ("until its first update, s", "{:,.2f}"),
        RATE: ("images learned from, a second", "{:,.0f}"),
        WAITING: ("share of training spent waiting for data", "{:.1%}"),
        STORE: ("most of the object store in use, MB", "{:,.1f}"),
        SPILLED: ("spilled from it to disk, MB", "{:,.1f}"),
    }
    rows = []
    for name, (title, form) in texts.items():
        values = [each[name] for each in found if name in each]
        if values:
            later = sorted(values[1:])
            rows.append((title, form.format(values[0]), form.format(later[len(later) // 2]) if later else "–"))
    return rows
