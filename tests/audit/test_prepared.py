from __future__ import annotations

import pytest

from glioray.audit.pictures import MARGINS
from glioray.audit.prepared import read_prepared
from glioray.audit.run import AuditOptions, audit
from glioray.data.grouping import ENOUGH_HEAD
from glioray.data.progress import silent


def test_a_published_split_leaks_as_the_preparation_says(prepare_patients, tmp_path) -> None:
    data = prepare_patients("published")
    found = audit(data.folder, tmp_path / "out", AuditOptions())
    copies = found.copies
    assert (data.manifest.leak.with_copy_in_training, copies.as_prepared) == (8, str(data.manifest.leak))
    assert copies.same_patient.tested == copies.tested_with_copy == data.manifest.sides["train"].rows
    assert copies.tested_with_copy + copies.tested_in_val == 8
    assert copies.line.startswith(f"leaky: {copies.tested_with_copy} of 8 test images show a patient who is in train")
    page = (tmp_path / "out/audit.html").read_text()
    assert "how well patients are remembered" in page
    assert "the same patient (8)" in page
    assert f"wrote down: {data.manifest.leak}" in page


@pytest.mark.parametrize(("split", "name"), [("published", "case@1"), ("group", "case@1@test")])
def test_a_group_is_named_without_its_side_where_the_split_is_published(prepare_patients, split, name) -> None:
    assert prepare_patients(split).manifest.whole_group("case@1@test") == name


def test_slices_of_volumes_have_one_view_and_the_amount_of_head(volumes) -> None:
    pictures = read_prepared(volumes.folder, silent)
    assert pictures.views.shape == (1, len(pictures.rows), 1024)
    assert pictures.compared.tolist() == [row.brain_fraction >= ENOUGH_HEAD for row in pictures.rows]
    assert all(row.group == row.patient for row in pictures.rows)


def test_single_images_have_all_views_and_are_all_compared(slices) -> None:
    pictures = read_prepared(slices.folder, silent)
    assert pictures.views.shape[0] == 2
    assert pictures.compared.all()
    assert set(pictures.rows[0].after) == set(MARGINS)


def test_the_page_says_what_was_compared_and_lists_the_kinds_that_could_be_found(volumes, tmp_path) -> None:
    found = audit(volumes.folder, tmp_path / "out", AuditOptions())
    page = (tmp_path / "out/audit.html").read_text()
    assert f"Compared: {found.copies.compared}." in page
    assert found.lines()["compared"] == found.copies.compared
    assert "<td>mirrored</td>" in page
    assert "<td>contrast changed</td>" not in page
    assert "<td>identical file</td>" not in page
