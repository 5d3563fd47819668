"""Every label map that a model gave, packed, so that models can be laid over each other without asking them again.

Shapes: N slices, B slices of a batch, S x S pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from glioray.evaluation.outlines import Labels


@dataclass
class KeptMasks:
    """Takes batches in the order of the rows; a map is mostly empty and takes a few hundred bytes."""

    size_px: int = 0
    _packed: list[bytes] = field(default_factory=list)

    def add(self, maps: Labels) -> None:
        """The label maps (B,S,S) of the next rows."""
        self.size_px = maps.shape[-1]
        self._packed += [zlib.compress(one.tobytes(), level=1) for one in maps]

    def pick(self, rows: Sequence[int]) -> Labels:
        """(B,S,S) of some rows, in the order asked for."""
        flat = [np.frombuffer(zlib.decompress(self._packed[row]), dtype=np.uint8) for row in rows]
        found: Labels = np.stack(flat).reshape(len(rows), self.size_px, self.size_px)
        return found
