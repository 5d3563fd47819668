"""Damage that knows nothing of a format, the same for a seed; the other ways are in `_reshape.py` and `_trees.py`."""

from __future__ import annotations

import random
from collections.abc import Callable

LONGEST_SPLICE = 256
Spoil = Callable[[random.Random, bytes, bytes], bytes]


def _flip_bits(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """One to 32, more of them near the head, where the lengths and sizes are."""
    del other
    spoiled = bytearray(content)
    for _ in range(2 ** rng.randrange(6)):
        spoiled[_place(rng, content)] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def _cut_off(rng: random.Random, content: bytes, other: bytes) -> bytes:
    del other
    return content[: rng.randrange(1, len(content))]


def _splice(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """A piece of another file in the place of one, or between two."""
    start, at = rng.randrange(len(other)), _place(rng, content)
    piece = other[start : start + rng.randrange(1, LONGEST_SPLICE)]
    return content[:at] + piece + content[at + len(piece) * rng.randrange(2) :]


def _grow_length(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Two or four bytes that may be a length, as large as they can be or one too many, in either order."""
    del other
    size, at = rng.choice((2, 4)), _place(rng, content)
    order = rng.choice(("little", "big"))
    now = int.from_bytes(content[at : at + size], order)
    grown = rng.choice((2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1, now + 1, 2 * now, 0))
    return content[:at] + (grown % 2 ** (8 * size)).to_bytes(size, order) + content[at + size :]


def _repeat(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """A piece of the file several times, as records or members that are there twice."""
    del other
    start = _place(rng, content)
    piece = content[start : start + rng.randrange(1, LONGEST_SPLICE)]
    return content[:start] + piece * rng.randrange(2, 20) + content[start:]


def _place(rng: random.Random, content: bytes) -> int:
    return rng.randrange(min(len(content), 512) if rng.random() < 0.6 else len(content))


SPOIL: dict[str, Spoil] = {
    "bits flipped": _flip_bits,
    "cut off": _cut_off,
    "spliced": _splice,
    "length grown": _grow_length,
    "repeated": _repeat,
}
