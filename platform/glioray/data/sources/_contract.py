"""What the module of a source offers. A new format is one file with these five names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume, TaskName
from glioray.errors import DataError
from glioray.frozen import Frozen


class SourceOptions(Frozen):
    """What a person may say of raw scans that the files do not; a source without such settings takes this."""


Chosen = TypeVar("Chosen", bound=SourceOptions)


@dataclass(frozen=True)
class RawScans(Generic[Chosen]):
    """A folder of raw scans, what is to be learned from it, and what a person says of it."""

    root: Path
    task: TaskName | None
    options: Chosen

    def name(self, path: Path) -> str:
        """A file's path relative to the root, as errors, rows and hashes name it."""
        return path.relative_to(self.root).as_posix()


class Source(Protocol):
    """A raw format: what it shows, where its cases are, and how one is read.

    `Options` is the class of its settings.
    """

    @property
    def Options(self) -> type[SourceOptions]: ...  # noqa: N802  # it is a class

    def describe(self, scans: RawScans[Any]) -> Contents:
        """Channels, classes or labels; a task that the source does not offer is refused with DataError."""

    def default_preprocessing(self, scans: RawScans[Any]) -> Preprocessing:
        """The settings that suit these scans; a person may ask for another image size."""

    def find(self, scans: RawScans[Any]) -> Found:
        """All cases, in a fixed order, after a check of the layout; no pixels are read.

        Raises:
            DataError: the folder is not laid out as this source's.
        """

    def read(self, scans: RawScans[Any], case: Case) -> RawVolume:
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
