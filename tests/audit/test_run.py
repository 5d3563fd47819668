from __future__ import annotations

import json

import pytest
from PIL import Image

from glioray.audit.result import Audit
from glioray.audit.run import AuditOptions, audit
from glioray.errors import DataError


@pytest.fixture(scope="module")
def audited(leaky_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("audited") / "audit"
    return audit(leaky_folder, out, AuditOptions()), out


def test_what_is_given_back_is_what_is_written(audited) -> None:
    found, out = audited
    assert sorted(path.name for path in out.iterdir()) == ["audit.html", "audit.json"]
    assert Audit.model_validate_json((out / "audit.json").read_bytes()) == found


def test_the_page_says_first_what_a_reader_must_know_and_needs_no_network(audited) -> None:
    page = (audited[1] / "audit.html").read_text()
    assert "<h1>Leaky: 7 of 8 test images have a copy in training</h1>" in page
    assert "Not a medical device" in page
    assert "Testing/a/broken.jpg" in page
    assert 'src="http' not in page
    assert "href=" not in page


def test_every_pair_that_is_listed_is_shown(audited) -> None:
    found, out = audited
    page = (out / "audit.html").read_text()
    assert page.count('alt="copies with two labels"') == len(found.copies.conflicts) == 1
    assert page.count("<figure>") == len(found.copies.shown) == 7


def test_names_of_files_cannot_write_into_the_page(tmp_path, head) -> None:
    for name in ("<script>x", "y"):
        (tmp_path / "scans").mkdir(exist_ok=True)
        Image.fromarray(head(0)).save(tmp_path / "scans" / f"{name}.png")
    audit(tmp_path / "scans", tmp_path / "out", AuditOptions())
    assert "<script>" not in (tmp_path / "out/audit.html").read_text()


def test_the_same_folder_gives_the_same_bytes(leaky_folder, audited, tmp_path) -> None:
    audit(leaky_folder, tmp_path, AuditOptions())
    for name in ("audit.html", "audit.json"):
        assert (tmp_path / name).read_bytes() == (audited[1] / name).read_bytes()


def test_a_terminal_is_told_the_leak_and_the_counts(audited) -> None:
    lines = audited[0].lines()
    assert lines["found"] == "leaky: 7 of 8 test images have a copy in training"
    assert (lines["mirrored pairs"], lines["groups with two labels"], lines["unreadable files"]) == (1, 1, 1)


def test_stages_are_told_up_to_their_totals(leaky_folder, tmp_path) -> None:
    told = {}
    audit(leaky_folder, tmp_path, AuditOptions(), lambda stage, done, total: told.update({stage: (done, total)}))
    assert told == {"read": (17, 17), "compare": (4, 4)}


def test_a_prepared_set_is_audited_by_its_parts_labels_and_patients(slices, tmp_path) -> None:
    found = audit(slices.folder, tmp_path / "out", AuditOptions())
    assert found.what == "prepared data set"
    assert found.sides == {side: counts.rows for side, counts in slices.manifest.sides.items()}
    assert found.patients == len(slices.split.patients)
    assert set(found.labels) <= set(slices.manifest.contents.classes)
    assert json.loads((tmp_path / "out/audit.json").read_text())["copies"]["tested"] == "test"


def test_a_prepared_set_of_masks_has_no_labels_to_contradict(volumes, tmp_path) -> None:
    found = audit(volumes.folder, tmp_path / "out", AuditOptions())
    assert found.labels == {}
    assert found.copies.conflicts == ()
    assert found.shortcuts.not_measured


def test_random_labels_on_raw_files_are_refused_before_anything_is_read(leaky_folder, tmp_path) -> None:
    with pytest.raises(DataError, match="random labels are trained on prepared images"):
        audit(leaky_folder, tmp_path / "out", AuditOptions(random_labels=True))
    assert not (tmp_path / "out").exists()


def test_an_output_inside_of_the_audited_folder_is_refused(leaky_folder) -> None:
    with pytest.raises(DataError, match="lies in the folder that is audited"):
        audit(leaky_folder, leaky_folder / "audit", AuditOptions())


def test_a_folder_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        audit(tmp_path / "nowhere", tmp_path / "out", AuditOptions())
