"""All series of a folder, each a stack of slices in order, or with the reason why it is none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from glioray.data.dicom.bounds import MOST_FRAMES
from glioray.data.dicom.folder import dicom_files, is_dicom
from glioray.data.dicom.geometry import Grid, make_grid
from glioray.data.dicom.headers import FileHeader, Frame, read_header
from glioray.data.dicom.problems import series_problem
from glioray.data.dicom.stacks import Stack, split_stacks
from glioray.data.scan_file import ScanFile
from glioray.errors import DataError, UnreadableError


@dataclass(frozen=True)
class Series:
    """Slices that belong together, ordered along their normal; `problem` says why they are no volume.

    `names` are all files of its SeriesInstanceUID, also those of another stack under it. `folder` is the name of the
    folder that holds this series and no other DICOM, else "". `stack` tells stacks of one UID apart.
    """

    study_uid: str
    patient_id: str
    frame_of_reference: str
    modality: str
    description: str
    protocol: str
    folder: str
    stack: str
    segments: tuple[tuple[int, str], ...]
    names: tuple[str, ...]
    frames: tuple[Frame, ...]
    grid: Grid | None
    problem: str | None

    @property
    def title(self) -> str:
        """How a person is told of it."""
        words = " ".join(word for word in (self.description or self.protocol or "no description", self.stack) if word)
        return f"series {words!r} ({len(self.names)} files, {self.names[0]!r} and on)"

    @property
    def is_segmentation(self) -> bool:
        """Whether it is a DICOM segmentation object and no image."""
        return self.modality == "SEG"


@dataclass(frozen=True)
class Survey:
    """What a folder holds. `skipped` counts files that are no DICOM images; `unreadable` are (name, reason)."""

    series: list[Series]
    skipped: dict[str, int]
    unreadable: list[tuple[str, str]]
    copies: list[tuple[str, str]]


def find_series(root: Path, files: Sequence[Path] | None = None, allow_gaps: bool = False) -> Survey:
    """Every series under a folder, or among the given files of it, in the order of their first file's name."""
    paths, skipped = dicom_files(root) if files is None else (sorted(set(files)), {})

    def siblings(folder: PurePosixPath) -> Iterable[str]:
        # The folder itself is asked: the answer must be the same when only a case's own files are given.
        return [p.relative_to(root).as_posix() for p in (root / folder).iterdir() if p.is_file() and is_dicom(p)]

    return _survey({path.relative_to(root).as_posix(): path for path in paths}, skipped, siblings, allow_gaps)


def series_among(files: Mapping[str, ScanFile], allow_gaps: bool = False, most_frames: int = MOST_FRAMES) -> Survey:
    """Every series among files that are given by their names in a folder or an archive; as `find_series`.

    A file that says it has more frames than `most_frames` counts as unreadable.
    """
    names = sorted(name for name, file in files.items() if is_dicom(file))
    skipped = {"not DICOM": len(files) - len(names)} if len(files) > len(names) else {}

    def siblings(folder: PurePosixPath) -> Iterable[str]:
        return [name for name in names if PurePosixPath(name).parent == folder]

    return _survey({name: files[name] for name in names}, skipped, siblings, allow_gaps, most_frames)


def _survey(
    files: Mapping[str, ScanFile],
    skipped: dict[str, int],
    siblings: Callable[[PurePosixPath], Iterable[str]],
    allow_gaps: bool,
    most_frames: int = MOST_FRAMES,
) -> Survey:
    """`siblings` gives the DICOM files of a folder by their names."""
    headers, unreadable = [], []
    for name, file in files.items():
        try:
            headers.append(read_header(file, name, most_frames))
        except UnreadableError as error:
            unreadable.append((name, str(error)))
    folders = _folders_of_one(headers, siblings)
    copies: list[tuple[str, str]] = []
    series = []
    for together in _by_uid(headers):
        distinct, clash = _distinct(together, copies)
        series += _series(together, distinct, clash, folders, allow_gaps)
    return Survey(series, skipped, unreadable, copies)


def _by_uid(headers: Iterable[FileHeader]) -> list[list[FileHeader]]:
    groups: dict[tuple[str, ...], list[FileHeader]] = {}
    for header in headers:
        key = (header.patient_id, header.study_uid, header.series_uid, header.frame_of_reference, header.modality)
        # Each segmentation object is whole by itself: its segments are numbered anew.
        own = (header.sop_uid,) if header.modality == "SEG" else ()
        groups.setdefault((*key, *own), []).append(header)
    return list(groups.values())


def _folders_of_one(
    headers: Sequence[FileHeader], siblings: Callable[[PurePosixPath], Iterable[str]]
) -> set[PurePosixPath]:
    """Folders whose DICOM files are all of one series, so that the folder's name may speak for it."""
    uids: dict[PurePosixPath, set[str]] = {}
    for header in headers:
        uids.setdefault(PurePosixPath(header.name).parent, set()).add(header.series_uid)
    known = {header.name for header in headers}
    return {
        folder
        for folder, found in uids.items()
        if folder.name and len(found) == 1 and known.issuperset(siblings(folder))
    }


def _distinct(headers: Sequence[FileHeader], copies: list[tuple[str, str]]) -> tuple[list[FileHeader], str | None]:
    """The files without copies of each other, and what is wrong where two claim one identity."""
    first: dict[str, FileHeader] = {}
    for header in headers:
        earlier = first.setdefault(header.sop_uid, header)
        if earlier is header:
            continue
        if _digest(earlier.file) != _digest(header.file):
            return list(headers), (
                f"{earlier.name!r} and {header.name!r} have one SOPInstanceUID and are not the same. Keep one of them"
            )
        copies.append((header.name, earlier.name))
    return list(first.values()), None


def _digest(file: ScanFile) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _series(
    together: Sequence[FileHeader],
    distinct: Sequence[FileHeader],
    clash: str | None,
    folders: set[PurePosixPath],
    allow_gaps: bool,
) -> list[Series]:
    first = together[0]
    frames = tuple(frame for header in distinct for frame in header.frames)
    problem = series_problem(distinct) or clash
    folder = PurePosixPath(first.name).parent
    whole = Series(
        study_uid=first.study_uid,
        patient_id=first.patient_id,
        frame_of_reference=first.frame_of_reference,
        modality=first.modality,
        description=first.description,
        protocol=first.protocol,
        folder=folder.name if folder in folders else "",
        stack="",
        segments=first.segments,
        names=tuple(header.name for header in together),
        frames=frames,
        grid=None,
        problem=problem,
    )
    if problem or whole.is_segmentation:
        return [whole]
    return [_placed(whole, stack, allow_gaps) for stack in split_stacks(frames)]


def _placed(whole: Series, stack: Stack, allow_gaps: bool) -> Series:
    grid, problem = None, stack.problem
    if problem is None:
        try:
            grid = stack_grid(stack.frames, allow_gaps)
        except DataError as error:
            problem = str(error)
    return replace(whole, stack=stack.label, frames=stack.frames, grid=grid, problem=problem)


def stack_grid(frames: Sequence[Frame], allow_gaps: bool) -> Grid:
    """The grid of frames that are in order and all have a place.

    Raises:
        DataError: slices are missing or do not lie on one line.
    """
    first = frames[0]
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    shape = (first.encoding.rows, first.encoding.columns)
    names = [frame.title for frame in frames]
    return make_grid(positions, first.orientation or (), first.spacing_mm or (), shape, names, allow_gaps)
