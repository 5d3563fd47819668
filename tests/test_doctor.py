from __future__ import annotations

import pytest

from glioray import doctor


def test_this_machine_is_looked_at_whole() -> None:
    names = [finding.name for finding in doctor.examine()]
    assert names == ["python", "cores", "memory", "shared memory", "disk", "torch", "torchvision", "ray", "gpu"]


def test_a_full_disk_is_a_finding_with_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1_000_000, "total": 1, "used": 1})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage)
    found = {finding.name: finding for finding in doctor.examine()}
    assert not found["disk"].is_fine
    assert "want 5 GiB" in found["disk"].text


def test_a_check_that_breaks_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda name: 1 / 0)
    found = {finding.name: finding for finding in doctor.examine()}
    assert not found["ray"].is_fine
    assert "ZeroDivisionError" in found["ray"].text
