"""Prepared pixels on disk while a data set is read: bounded memory, and a kill loses only what was being read.

A portion is a few cases that are read together. It is staged under a key of all that decides its pixels, so that
a later run finds it again: `<key>.images` and `<key>.masks` hold plain uint8 rows, `<key>.views` the thumbnails, and
`<key>.json`, written last, the rows and what was refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.folder import write_whole
from glioray.data.records import Case, Refused, Side

MOST_CASES, MOST_RAW_BYTES = 64, 16_000_000  # of a portion, unless one case alone has more
VIEW_VALUES = 1024


@dataclass(frozen=True)
class Row:
    """A slice without its pixels. Spacing is that of the prepared grid, in mm; none where it is not known.

    `case_hash` is of the contents of its case's files: the same scan has the same one in every data set.
    """

    case_id: str
    case_hash: str
    source: str
    slice_index: int
    label: int | None
    patient_id: str | None
    published_side: Side | None
    brain_mean: float
    brain_std: float
    brain_fraction: float
    raw_height: int
    raw_width: int
    spacing_mm: tuple[float, float, float] | None
    raw_spacing_mm: tuple[float, float, float] | None
    label_pixels: tuple[int, ...]
    intensity: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Portion:
    """Cases that are read together, with a hash of the contents of each."""

    key: str
    cases: tuple[Case, ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Staged:
    """Rows of a portion as they were staged: `shape` is (C, S, S)."""

    folder: Path
    key: str
    shape: tuple[int, ...]
    has_masks: bool
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]

    def image(self, index: int) -> NDArray[np.uint8]:
        """(C, S, S)"""
        return _row(self.folder / f"{self.key}.images", self.shape, index)

    def mask(self, index: int) -> NDArray[np.uint8] | None:
        """(S, S), or none where the task has none."""
        return _row(self.folder / f"{self.key}.masks", self.shape[1:], index) if self.has_masks else None

    def views(self) -> NDArray[np.float32]:
        """(V, N, 1024) thumbnails for the search for copies."""
        values = np.fromfile(self.folder / f"{self.key}.views", dtype=np.float32)
        return values.reshape(-1, len(self.rows), VIEW_VALUES)


def portions_of(cases: Sequence[Case], root: Path, digests: Mapping[Path, str], decisive: str) -> list[Portion]:
    """Neighboring cases together.

    Args:
        cases: in their order.
        root: of the raw scans; the names of the files below it are part of the key.
        digests: of every file.
        decisive: what else decides the rows: source, options, preprocessing.
    """
    portions: list[list[Case]] = []
    room = 0
    for case in cases:
        size = sum(path.stat().st_size for path in case.files)
        if not portions or size > room or len(portions[-1]) >= MOST_CASES:
            portions.append([])
            room = MOST_RAW_BYTES
        portions[-1].append(case)
        room -= size
    return [
        Portion(
            _sha256([decisive, [facts_of_case(case, root, digests) for case in portion]]),
            tuple(portion),
            tuple(hash_of_case(case, digests) for case in portion),
        )
        for portion in portions
    ]


def hash_of_case(case: Case, digests: Mapping[Path, str]) -> str:
    """Of the contents of its files, from the SHA-256 of each."""
    return _sha256([digests[path] for path in case.files])[:16]


def facts_of_case(case: Case, root: Path, digests: Mapping[Path, str]) -> list[Any]:
    """All that a case is, in plain values: what is said of it, and the names and contents of its files."""
    files = [(path.relative_to(root).as_posix(), digests[path]) for path in case.files]
    return [case.case_id, case.patient_id, case.label, case.published_side, files]


def stage(
    folder: Path,
    key: str,
    images: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.uint8]],
    views: Sequence[NDArray[np.float32]],
    rows: Sequence[Row],
    refused: Sequence[Refused],
) -> None:
    """Writes a portion; each of its files is there whole or not at all, the JSON last."""
    if rows:
        write_whole(folder / f"{key}.images", *images)
        write_whole(folder / f"{key}.views", np.concatenate(views, axis=1))
    if masks:
        write_whole(folder / f"{key}.masks", *masks)
    record = {
        "shape": images[0].shape[1:] if images else (),
        "has_masks": bool(masks),
        "rows": [asdict(row) for row in rows],
        "refused": [entry.model_dump() for entry in refused],
    }
    write_whole(folder / f"{key}.json", json.dumps(record).encode())


def is_staged(folder: Path, key: str) -> bool:
    """Whether an earlier run read all of this portion; what it could not read is tried again."""
    return (folder / f"{key}.json").is_file() and not load_staged(folder, key).refused


def load_staged(folder: Path, key: str) -> Staged:
    """What was staged under a key."""
    record: dict[str, Any] = json.loads((folder / f"{key}.json").read_bytes())
    return Staged(
        folder,
        key,
        tuple(record["shape"]),
        record["has_masks"],
        tuple(Row(**{name: _frozen(value) for name, value in row.items()}) for row in record["rows"]),
        tuple(Refused(**entry) for entry in record["refused"]),
    )


def _sha256(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _row(path: Path, shape: tuple[int, ...], index: int) -> NDArray[np.uint8]:
    count = int(np.prod(shape))
    return np.fromfile(path, dtype=np.uint8, count=count, offset=index * count).reshape(shape)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value
