"""What a fuzzer needs to know of a reader: good files, how it is called, and the errors that its docstring promises."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from glioray.errors import GliorayError

Read = Callable[[bytes], object]
Reshape = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class Reader:
    """`read` takes the content of a file; what it raises beside `may_raise` is a finding."""

    name: str
    good: Mapping[str, bytes]
    read: Read
    may_raise: tuple[type[GliorayError], ...]
    reshape: Reshape


def by_path(place: Path, read: Callable[[Path], object]) -> Read:
    """A reader of files on the disk: what is to be read is written to `place` first."""

    def read_content(content: bytes) -> object:
        place.write_bytes(content)
        return read(place)

    return read_content
