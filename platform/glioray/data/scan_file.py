"""What readers of scans take as a file: one of the disk, or bytes that came another way and never lie on one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

PIECE_BYTES = 2**24


class ScanFile(Protocol):
    """Bytes that can be opened again and again; a `Path` is one."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def open(self, mode: Literal["rb"]) -> io.BufferedReader:
        """From its first byte."""


@dataclass(frozen=True)
class MemoryFile:
    """A file of this process's memory; `path` is where it lay in the archive or the form that it came with."""

    path: str
    content: bytes

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    def open(self, mode: Literal["rb"]) -> io.BufferedReader:
        """From its first byte."""
        del mode
        stream = _Named(self.content)
        stream.name = self.path
        return io.BufferedReader(stream)


class _Named(io.BytesIO):
    """pydicom asks what it reads for a name."""

    name: str


def read_at_most(opened: BinaryIO | io.BufferedIOBase, most_bytes: int) -> bytes:
    """As many bytes, or as there are; piece by piece, since Python takes room for all that it is asked for."""
    if most_bytes <= PIECE_BYTES:
        return opened.read(most_bytes)
    pieces = []
    while most_bytes > 0 and (piece := opened.read(min(most_bytes, PIECE_BYTES))):
        pieces.append(piece)
        most_bytes -= len(piece)
    return b"".join(pieces)
