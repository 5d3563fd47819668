"""Prepared pixels on disk while a data set is read, so that memory stays bounded whatever its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Staging:
    """An append-only file of uint8 records of one shape, read back by index.

    Written with plain writes: a full disk raises OSError here, where a memory map would kill the process.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path = path
        self.shape = shape
        self.count = 0
        self._file = path.open("xb")

    def append(self, records: NDArray[np.uint8]) -> None:
        """Adds (N, *shape)."""
        assert records.shape[1:] == self.shape, f"staging holds {self.shape}, not {records.shape[1:]}"
        assert records.dtype == np.uint8
        self._file.write(np.ascontiguousarray(records).data)
        self.count += len(records)

    def read(self) -> NDArray[np.uint8]:
        """(count, *shape), mapped from the file, read only. Nothing can be appended after it."""
        self._file.close()
        if self.count == 0:
            return np.empty((0, *self.shape), dtype=np.uint8)
        return np.memmap(self.path, dtype=np.uint8, mode="r", shape=(self.count, *self.shape))

    def remove(self) -> None:
        """Closes and deletes the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)
