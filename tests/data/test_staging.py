from __future__ import annotations

import numpy as np
import pytest

from glioray.data.staging import Staging


def test_records_come_back_by_their_index(tmp_path) -> None:
    staging = Staging(tmp_path / "images", (2, 3))
    records = np.arange(60, dtype=np.uint8).reshape(10, 2, 3)
    staging.append(records[:4])
    staging.append(records[4:, ::1])
    assert np.array_equal(staging.read(), records)


def test_a_view_is_staged_as_it_looks(tmp_path) -> None:
    staging = Staging(tmp_path / "images", (2, 2))
    records = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)[::-1, :, ::-1]
    staging.append(records)
    assert np.array_equal(staging.read(), records)


def test_staging_is_read_only(tmp_path) -> None:
    staging = Staging(tmp_path / "images", (1,))
    staging.append(np.ones((1, 1), np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        staging.read()[0, 0] = 0


def test_nothing_staged_reads_as_nothing(tmp_path) -> None:
    assert Staging(tmp_path / "images", (3, 4)).read().shape == (0, 3, 4)


def test_a_removed_file_is_gone(tmp_path) -> None:
    staging = Staging(tmp_path / "images", (1,))
    staging.remove()
    assert list(tmp_path.iterdir()) == []
