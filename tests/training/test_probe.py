"""What runs on each node; with real ones in tests/cluster/test_recovery.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from glioray.training import probe
from glioray.training.probe import try_folder


@pytest.fixture(autouse=True)
def _is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SEEN_WITHIN_S", 0.3)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "driver").write_text("driver")
    return tmp_path


def test_a_node_that_shares_the_folder_writes_its_file(place: Path) -> None:
    assert try_folder(str(place), "node", "driver") is None
    assert (place / "node").read_text() == "node"


def test_a_folder_of_the_same_name_on_another_disk_is_found(tmp_path: Path) -> None:
    assert try_folder(str(tmp_path), "node", "driver") == "it does not see what another machine writes there"


def test_a_folder_that_cannot_be_written_is_found(place: Path) -> None:
    (place / "node").mkdir()
    assert try_folder(str(place), "node", "driver") == "it cannot write there (Is a directory)"
