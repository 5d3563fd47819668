"""Plain arrays out of an HDF5 file from a stranger.

HDF5 can make a data set of other files, run filters that it loads at the time, and unpack a chunk that is larger than
the data set. None of this is needed for arrays, so none of it is accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from glioray.data.machine_errors import raise_if_of_machine
from glioray.errors import UnreadableError

MOST_CHUNK_BYTES = 2**26
BUILT_IN_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF)
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError)


@contextmanager
def open_h5(path: Path, name: str) -> Iterator[h5py.File]:
    """The file, read-only, closed at the end; any failure of HDF5 in between names the file.

    Raises:
        UnreadableError: no HDF5 file, or a damaged one.
        OSError: the machine failed, not the file.
    """
    try:
        # Without a lock: read-only disks and many network disks have none to give.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except BROKEN as error:
        raise_if_of_machine(error)
        reason = " ".join(str(error).split())
        raise UnreadableError(f"{name}: not a readable HDF5 file ({reason}).") from None


def plain_array(file: h5py.File, key: str, name: str, kinds: str, last_axis: int) -> h5py.Dataset:
    """A data set (H, W, `last_axis`) of this file itself; its values are not read yet.

    Args:
        file: open.
        key: the data set's name, at the top of the file.
        name: how errors name the file.
        kinds: numpy's letters of the types that may be, of at most 8 bytes.
        last_axis: length of the third axis.

    Raises:
        UnreadableError: it is missing, a link, put together of other files, or another type or shape.
    """
    links, encoded = file.id.links, key.encode()
    if not links.exists(encoded):
        found = ", ".join(repr(found) for found in sorted(file)[:10]) or "nothing"
        raise UnreadableError(f"{name}: no data set {key!r}; found {found}.")
    if links.get_info(encoded).type != h5py.h5l.TYPE_HARD:
        raise UnreadableError(f"{name}: {key!r} is a link to another place, which is not followed.")
    data = file[key]
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external is not None:
        raise UnreadableError(f"{name}: {key!r} is no data set of this file itself.")
    if data.dtype.kind not in kinds or data.dtype.itemsize > 8:
        raise UnreadableError(f"{name}: {key!r} holds {data.dtype}; wanted plain numbers.")
    if data.ndim != 3 or data.shape[2] != last_axis or 0 in data.shape:
        raise UnreadableError(f"{name}: {key!r} is {data.shape}; wanted (height, width, {last_axis}).")
    _refuse_odd_storage(data, key, name)
    return data


def _refuse_odd_storage(data: h5py.Dataset, key: str, name: str) -> None:
    stored = data.id.get_create_plist()
    filters = [stored.get_filter(index)[0] for index in range(stored.get_nfilters())]
    if any(code not in BUILT_IN_FILTERS for code in filters):
        raise UnreadableError(f"{name}: {key!r} is packed by a filter that is not read; wanted gzip or LZF, or none.")
    chunk_bytes = math.prod(data.chunks or (1,)) * np.dtype(data.dtype).itemsize
    if chunk_bytes > MOST_CHUNK_BYTES:
        raise UnreadableError(f"{name}: {key!r} is in chunks of {chunk_bytes:,} bytes; at most {MOST_CHUNK_BYTES:,}.")
