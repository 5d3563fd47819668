"""What a person at a terminal sees: bars with a rate and the time left, a summary, the next command.

Bars go to the error stream and only to a terminal, so that `--json` and pipes get the result alone.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from glioray.registry.card import NOT_A_DEVICE
from glioray.remote import is_remote


class _Rate(ProgressColumn):
    """Units a second; several decimals only where they say something."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and speed >= 10 else f"{speed:.1f}/s" if speed else "")


@contextlib.contextmanager
def bars(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A function (stage, done, total) that draws one bar a stage.

    Args:
        quiet: draw nothing.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield show


@contextlib.contextmanager
def live(quiet: bool) -> Iterator[Callable[[str, Sequence[str], Sequence[Sequence[object]]], None]]:
    """A function (title, columns, rows) that draws a table in the place of the one before; only on a terminal.

    Args:
        quiet: draw nothing.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda *_: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        yield lambda title, columns, rows: screen.update(_table(title, columns, rows), refresh=True)


def say(text: str, quiet: bool = False) -> None:
    """One line for the person, on the error stream."""
    if not quiet:
        Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def close(as_json: bool, title: str, facts: Mapping[str, Any], following: str | None = None) -> None:
    """The summary of a command: what was made, where, and the next command to type.

    Args:
        as_json: print the facts as one JSON object instead.
        title: what was done.
        facts: names and values, in the order shown.
        following: a command that can be pasted.
    """
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print(json.dumps(dict(facts), default=str), markup=False)
        return
    console.print(f"\n[bold]{title}[/bold]")
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        console.print(f"  {name:<{width}}  {_plain(value)}", markup=False)
    if following:
        console.print("\n[dim]next:[/dim] ", end="")
        console.print(following, style="bold", markup=False)
    console.print(f"[dim]{NOT_A_DEVICE}[/dim]")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on the output stream."""
    Console(highlight=False).print(_table(title, columns, rows))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(str(cell)) for cell in row])
    return drawn


def relative(place: Path | str) -> str:
    """As it can be pasted here: short, where it lies below the working directory; an address as it is."""
    if is_remote(str(place)):
        return str(place)
    path = Path(place)
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
