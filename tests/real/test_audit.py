"""On the real scans that GLIORAY_REAL_DATA names: figures that a person has looked at."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from glioray.audit.run import AuditOptions, audit

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".") / "kaggle_mri"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not ROOT.is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """All 4602 images: half a minute on two free cores."""
    return audit(ROOT, tmp_path_factory.mktemp("audit"), AuditOptions())


def test_most_of_the_published_test_side_has_a_copy_in_training(audited) -> None:
    assert audited.copies.line == "leaky: 654 of 859 test images have a copy in training"
    assert [kind.tested_with_copy for kind in audited.copies.kinds[:2]] == [67, 142]
    assert audited.copies.kinds[2].tested_with_copy == pytest.approx(319, abs=2)


def test_no_group_mixes_classes_but_the_three_known_ones(audited) -> None:
    conflicts = [{member.label for member in group} for group in audited.copies.conflicts]
    assert conflicts == [{"meningioma", "pituitary"}] * 3
    assert all(len(group) == 2 for group in audited.copies.conflicts)


def test_cropping_takes_most_of_what_size_and_margins_give_away(audited) -> None:
    shortcuts = audited.shortcuts
    before, after = shortcuts.found[0], shortcuts.found[-1]
    assert (before.when, after.when) == ("before", "after")
    assert before.accuracy.value > 0.7
    assert after.accuracy.value - shortcuts.majority < 0.12


def test_patients_of_lgg_do_not_copy_each_other(tmp_path) -> None:
    """A false merge is as bad as a miss: slices of different people stay apart, whatever the view."""
    kept = Path(REAL or ".") / "lgg/kaggle_3m"
    for folder in sorted(path for path in kept.iterdir() if path.is_dir())[:6]:
        (tmp_path / "scans" / folder.name).mkdir(parents=True)
        for path in folder.glob("*.tif"):
            if not path.name.endswith("_mask.tif"):
                shutil.copy(path, tmp_path / "scans" / folder.name)
    found = audit(tmp_path / "scans", tmp_path / "out", AuditOptions())
    assert found.images > 100
    assert found.copies.conflicts == ()
