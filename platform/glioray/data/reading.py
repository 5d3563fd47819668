"""All cases of a source, read by threads and staged in their order."""

from __future__ import annotations

import hashlib
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from glioray.data.duplicates import thumbnails
from glioray.data.folder import no_space
from glioray.data.manifest import Refused
from glioray.data.preprocessing import Prepared, Preprocessing, prepare_mask, prepare_volume
from glioray.data.records import Case, RawVolume, Side
from glioray.data.sources import Source
from glioray.data.staging import Staging
from glioray.errors import DataError, UnreadableError

OnProgress = Callable[[str, int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Row:
    """A slice without its pixels, which are staged under the same index."""

    source: str
    slice_index: int
    label: int | None
    patient_id: str | None
    published_side: Side | None
    brain_mean: float
    brain_std: float
    brain_fraction: float


@dataclass
class Reading:
    """What was read: rows, their staged pixels, and thumbnails where no patient is named."""

    images: Staging
    masks: Staging | None
    rows: list[Row] = field(default_factory=list)
    views: list[NDArray[np.float32]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def thumbnails(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of the whole pictures and of the prepared ones, each (N, 1024)."""
        views = np.concatenate(self.views, axis=1)
        return views[0], views[1]

    def remove_staged(self) -> None:
        """Deletes the staged pixels; the rows stay."""
        self.images.remove()
        if self.masks is not None:
            self.masks.remove()


@dataclass(frozen=True)
class _CaseRead:
    prepared: Prepared
    mask: NDArray[np.uint8] | None
    raw: RawVolume
    views: NDArray[np.float32] | None


def source_hash(root: Path, cases: Sequence[Case], workers: int, tell: OnProgress) -> str:
    """SHA-256 over the names and contents of all files, in order."""
    files = [path for case in cases for path in case.files]
    total = hashlib.sha256()
    for done, (path, digest) in enumerate(zip(files, in_order(_digest, files, workers), strict=True)):
        total.update(f"{path.relative_to(root).as_posix()}\0{digest}\n".encode())
        tell("hash", done + 1, len(files))
    return total.hexdigest()


def read_cases(
    source: Source,
    root: Path,
    cases: Sequence[Case],
    preprocessing: Preprocessing,
    staging: Path,
    workers: int,
    skip_unreadable: bool,
    tell: OnProgress,
) -> Reading:
    """Reads and prepares every case; pixels go to files in `staging`.

    Raises:
        UnreadableError: a file cannot be used, unless `skip_unreadable`.
        DataError: nothing could be read, or the disk will not hold it.
    """

    def work(case: Case) -> _CaseRead | UnreadableError:
        try:
            return _read(source, root, case, preprocessing)
        except UnreadableError as error:
            return error

    reading: Reading | None = None
    refused = []
    for done, (case, result) in enumerate(zip(cases, in_order(work, cases, workers), strict=True)):
        if isinstance(result, UnreadableError):
            if not skip_unreadable:
                raise result
            refused.append(Refused(source=case.case_id, reason=str(result)))
        else:
            reading = reading or _start(staging, result, len(cases))
            _add(reading, case, result)
        tell("read", done + 1, len(cases))
    if reading is None:
        raise DataError(f"{root}: none of {len(cases)} cases could be read. The first: {refused[0].reason}")
    reading.refused += refused
    return reading


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Results in the order of the items, computed by threads, a bounded number ahead."""
    before = torch.get_num_threads()
    waiting: deque[Future[Result]] = deque()
    # One torch thread in each of ours: more would only get in each other's way.
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(before)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}).") from None


def _read(source: Source, root: Path, case: Case, preprocessing: Preprocessing) -> _CaseRead:
    raw = source.read(root, case)
    try:
        prepared = prepare_volume(raw.image, preprocessing)
    except UnreadableError:
        raise
    except DataError as error:
        raise UnreadableError(f"{case.case_id}: {error}") from None
    mask = None if raw.mask is None else prepare_mask(raw.mask, prepared.frame)
    views = None
    if case.patient_id is None:
        views = np.stack([thumbnails(_grey(raw.image)), thumbnails(_grey(prepared.image))])
    return _CaseRead(prepared, mask, raw, views)


def _grey(image: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W)"""
    return image[:, 0] if image.shape[1] == 1 else image.mean(axis=1, dtype=np.float32)


def _start(staging: Path, first: _CaseRead, num_cases: int) -> Reading:
    """Opens the staging files, once the first case tells the size of a row."""
    expected_bytes = num_cases * (first.prepared.image.nbytes + (0 if first.mask is None else first.mask.nbytes))
    free_bytes = shutil.disk_usage(staging).free
    if expected_bytes > free_bytes:
        raise DataError(no_space(expected_bytes, free_bytes, staging.parent))
    images = Staging(staging / "images.staged", first.prepared.image.shape[1:])
    masks = None if first.mask is None else Staging(staging / "masks.staged", first.mask.shape[1:])
    return Reading(images, masks)


def _add(reading: Reading, case: Case, result: _CaseRead) -> None:
    prepared, raw = result.prepared, result.raw
    reading.images.append(prepared.image)
    if reading.masks is not None and result.mask is not None:
        reading.masks.append(result.mask)
    if result.views is not None:
        reading.views.append(result.views)
    figures = zip(prepared.brain_mean, prepared.brain_std, prepared.brain_fraction, strict=True)
    for name, index, (mean, std, fraction) in zip(raw.sources, raw.slice_indices, figures, strict=True):
        reading.rows.append(
            Row(
                source=name,
                slice_index=index,
                label=case.label,
                patient_id=case.patient_id,
                published_side=case.published_side,
                brain_mean=float(mean),
                brain_std=float(std),
                brain_fraction=float(fraction),
            )
        )
