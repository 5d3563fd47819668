from __future__ import annotations

import pytest

from glioray.data.facts import count, facts_of
from glioray.data.manifest import Range
from glioray.data.records import Contents
from glioray.data.staging import Row

SLICES = Contents(task="classification", channels=("grey",), classes=("glioma", "none", "other"), citation="toy")
VOLUMES = Contents(
    task="segmentation",
    channels=("flair",),
    labels={"necrotic": 1, "edema": 2, "enhancing": 4},
    regions={"TC": ("necrotic", "enhancing")},
    citation="toy",
)


def row(patient, label=None, pixels=(), size=(10, 20), mm=None, raw_mm=None, source="file", case=None):
    case_id = case or patient or source
    return Row(
        case_id=case_id,
        case_hash=f"hash of {case_id}",
        source=source,
        slice_index=0,
        label=label,
        patient_id=patient,
        published_side=None,
        brain_mean=0.0,
        brain_std=0.0,
        brain_fraction=0.5,
        raw_height=size[0],
        raw_width=size[1],
        spacing_mm=mm,
        raw_spacing_mm=raw_mm,
        label_pixels=pixels,
        intensity=((0.0, 1.0),),
    )


@pytest.fixture
def volumes():
    """Two patients of 3 and 2 slices: voxels of 0.5 x 2 x 5 = 5 mm3, and of 1 x 1 x 1 mm3."""
    thick = {"mm": (5.0, 2.0, 0.5), "raw_mm": (5.0, 1.0, 0.25)}
    thin = {"mm": (1.0, 1.0, 1.0), "raw_mm": (1.0, 0.5, 0.5)}
    return [
        row("a", pixels=(0, 0, 0), **thick),
        row("a", pixels=(100, 50, 0), **thick),
        row("a", pixels=(0, 150, 300), **thick),
        row("b", pixels=(0, 0, 0), size=(12, 24), **thin),
        row("b", pixels=(0, 0, 500), size=(12, 24), **thin),
    ]


def test_slices_that_show_a_label_and_its_pixels_are_counted(volumes) -> None:
    counts = count(volumes, ["a"] * 3 + ["b"] * 2, VOLUMES)
    assert (counts.rows, counts.groups, counts.patients, counts.foreground_rows) == (5, 2, 2, 3)
    assert counts.rows_by_output == {"necrotic": 1, "edema": 2, "enhancing": 2}
    assert counts.label_pixels == {"necrotic": 100, "edema": 200, "enhancing": 800}


def test_images_of_each_class_are_counted_and_patients_only_where_named() -> None:
    rows = [row("a", 0), row(None, 0), row(None, 2), row("a", 2)]
    counts = count(rows, ["a", "g1", "g2", "a"], SLICES)
    assert counts.rows_by_output == {"glioma": 2, "none": 0, "other": 2}
    assert (counts.groups, counts.patients, counts.foreground_rows, counts.label_pixels) == (3, 1, 0, {})


def test_volumes_are_in_ml_by_label_and_by_region(volumes) -> None:
    """Patient a: 100, 200 and 300 voxels of 5 mm3; patient b: 500 of 1 mm3."""
    facts = facts_of(volumes, 2, [count(volumes, ["a"] * 3 + ["b"] * 2, VOLUMES)], VOLUMES)
    assert facts.volumes_ml["necrotic"] == Range(least=0, median=0.25, most=0.5)
    assert facts.volumes_ml["edema"] == Range(least=0, median=0.5, most=1.0)
    assert facts.volumes_ml["enhancing"] == Range(least=0.5, median=1.0, most=1.5)
    assert facts.volumes_ml["TC"] == Range(least=0.5, median=1.25, most=2.0)


def test_sizes_and_spacing_are_those_of_the_raw_scans(volumes) -> None:
    facts = facts_of(volumes, 2, [count(volumes, ["a"] * 3 + ["b"] * 2, VOLUMES)], VOLUMES)
    assert facts.height_px == Range(least=10, median=10, most=12)
    assert facts.width_px == Range(least=20, median=20, most=24)
    assert facts.slices == Range(least=2, median=2.5, most=3)
    assert facts.spacing_mm["slice"] == Range(least=1, median=5, most=5)
    assert facts.spacing_mm["row"] == Range(least=0.5, median=1, most=1)
    assert facts.spacing_mm["column"] == Range(least=0.25, median=0.25, most=0.5)


def test_shares_are_of_the_labeled_pixels_and_of_the_slices(volumes) -> None:
    counts = [count(volumes[:3], ["a"] * 3, VOLUMES), count(volumes[3:], ["b"] * 2, VOLUMES)]
    facts = facts_of(volumes, 2, counts, VOLUMES)
    shares = {"necrotic": 1 / 11, "edema": 2 / 11, "enhancing": 8 / 11}
    assert facts.shares == pytest.approx(shares, abs=1e-6)
    assert facts.foreground_share == 0.6


def test_shares_of_classes_are_of_the_images() -> None:
    rows = [row(None, label, source=f"file{i}") for i, label in enumerate([0, 0, 0, 2])]
    facts = facts_of(rows, 4, [count(rows, "abcd", SLICES)], SLICES)
    assert facts.shares == {"glioma": 0.75, "none": 0.0, "other": 0.25}
    assert facts.slices == Range(least=1, median=1, most=1)
    assert (facts.foreground_share, facts.volumes_ml, facts.spacing_mm) == (None, {}, {})


def test_no_volume_is_told_where_the_spacing_of_one_patient_is_not_known(volumes) -> None:
    rows = [*volumes, row("c", pixels=(5, 5, 5))]
    facts = facts_of(rows, 3, [count(rows, [r.patient_id for r in rows], VOLUMES)], VOLUMES)
    assert facts.volumes_ml == {}
    assert facts.spacing_mm["slice"].most == 5


def test_two_scans_of_one_patient_are_two_cases() -> None:
    """3 and 1 slices; 6 and 2 ml of edema."""
    edema = {"pixels": (0, 2000, 0), "mm": (1.0, 1.0, 1.0)}
    rows = [*(row("a", case="first", **edema) for _ in range(3)), row("a", case="second", **edema)]
    facts = facts_of(rows, 2, [count(rows, "aaaa", VOLUMES)], VOLUMES)
    assert facts.slices == Range(least=1, median=2, most=3)
    assert facts.volumes_ml["edema"] == Range(least=2, median=4, most=6)


def test_scans_without_any_label_have_shares_of_nothing() -> None:
    rows = [row("a", pixels=(0, 0, 0)), row("b", pixels=(0, 0, 0))]
    facts = facts_of(rows, 2, [count(rows, "ab", VOLUMES)], VOLUMES)
    assert set(facts.shares.values()) == {0.0}
    assert facts.foreground_share == 0
