"""Where a data set lies in a folder, and whether all of it is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glioray.data.download.datasets import DataSet, Part

DEEPEST = 5  # folders that an archive wraps around a data set; BraTS 2020 has three
MOST_NAMED = 10


@dataclass(frozen=True)
class Checked:
    """What was counted: `missing` says in lines what is not there, `extra` what is and should not be."""

    files: int
    bytes: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def locate(folder: Path, data: DataSet) -> Path | None:
    """The folder that a data set lies in: this one or, nearest first, one that it wraps; none if it is not there."""
    level = [folder] if folder.is_dir() else []
    for _ in range(DEEPEST):
        for place in level:
            if all(any(place.glob(mark)) for mark in data.marks):
                return place
        level = [inner for place in level for inner in _inner(place)]
    return None


def check(place: Path, data: DataSet) -> Checked:
    """Counts the files of each part, and those of each patient or volume; an empty file counts as missing."""
    missing: list[str] = []
    extra: list[str] = []
    total_files = total_bytes = 0
    for part in data.parts:
        sizes = {path.relative_to(place).as_posix(): path.stat().st_size for path in place.glob(part.pattern)}
        empty = sorted(name for name, size in sizes.items() if size == 0)
        if empty:
            missing.append(f"{part.what}: {len(empty):,} files are empty: {_some(empty)}")
        if len(sizes) < part.count:
            missing.append(f"{part.what}: {len(sizes):,} of {part.count:,} are there")
        elif len(sizes) > part.count:
            extra.append(f"{part.what}: {len(sizes):,} are there, {part.count:,} were published")
        missing += _check_groups(part, sizes)
        total_files += len(sizes)
        total_bytes += sum(sizes.values())
    return Checked(total_files, total_bytes, tuple(missing), tuple(extra))


def _inner(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != ".")


def _check_groups(part: Part, names: Iterable[str]) -> list[str]:
    if part.group is None:
        return []
    matches = [re.search(part.group, name) for name in names]
    counts = Counter(match[1] for match in matches if match)
    lines = []
    if len(counts) < part.num_groups:
        numbers = [str(number) for number in range(1, part.num_groups + 1)]
        absent = [number for number in numbers if number not in counts] if all(map(str.isdigit, counts)) else []
        lines.append(
            f"{part.group_name}: {len(counts):,} of {part.num_groups:,} are there"
            + (f", not {_some(absent)}" if absent else "")
        )
    short = [f"{name} ({count})" for name, count in sorted(counts.items()) if count < part.each]
    if short:
        lines.append(f"{part.group_name} with fewer than {part.each} {part.what}: {_some(short)}")
    return lines


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
