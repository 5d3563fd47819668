"""What the module of a source offers. A new format is one file with these five functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, RawVolume, TaskName
from glioray.errors import DataError


class Source(Protocol):
    """A raw format: what it shows, where its cases are, and how one is read."""

    def describe(self, task: TaskName | None) -> Contents:
        """Channels, classes or labels; a task that the source does not offer is refused with DataError."""

    def default_preprocessing(self, task: TaskName | None) -> Preprocessing:
        """The settings that suit these scans; `prepare` sets the image size."""

    def find(self, root: Path, task: TaskName | None) -> list[Case]:
        """All cases, sorted, after a check of the layout; no pixels are read.

        Raises:
            DataError: the folder is not laid out as this source's.
        """

    def read(self, root: Path, case: Case) -> RawVolume:
        """The pixels of one case.

        Raises:
            UnreadableError: a file is damaged, or a mask does not fit its image.
        """


def only(task: TaskName | None, offered: Sequence[TaskName], source: str) -> TaskName:
    """The task asked for, or the first one offered.

    Raises:
        DataError: the source does not offer it.
    """
    if task is not None and task not in offered:
        raise DataError(f"source {source!r} has no {task}; it offers: {', '.join(offered)}")
    return task or offered[0]


def need_folder(root: Path) -> None:
    """Refuses a root that is not a folder."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Give the folder that holds the raw scans.")
