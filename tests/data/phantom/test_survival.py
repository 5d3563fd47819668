"""The law by which synthetic patients live, and the table that it is told in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from glioray.data.clinical import read_clinical
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.phantom.images import scan_brain, true_mask
from glioray.data.phantom.patient import draw_patient
from glioray.data.phantom.survival import NOISE, core_ml, draw_course, expected_log_days
from glioray.data.sources import load, raw_scans

SMALL = PhantomSettings(num_patients=9, image_size=32, num_slices=8, slices_per_patient=1)


def test_the_law_is_counted_by_hand() -> None:
    assert expected_log_days(60, 20, "GTR") == pytest.approx(math.log(420))
    assert expected_log_days(80, 20, "GTR") == pytest.approx(math.log(420) - 0.5)
    assert expected_log_days(60, 40, "STR") == pytest.approx(math.log(420) - 0.6 * math.log(2) - 0.3)
    assert expected_log_days(60, 0, "GTR") == pytest.approx(expected_log_days(60, 0.1, "GTR"))


def test_the_core_is_what_is_necrotic_or_enhancing() -> None:
    assert core_ml({"1": 3.0, "2": 50.0, "4": 1.5}) == 4.5
    assert core_ml({"2": 50.0}) == 0


def test_the_noise_is_as_large_as_it_says_and_one_in_ten_lives() -> None:
    courses = [draw_course((5, index), 20.0) for index in range(2000)]
    dead = [course for course in courses if not course.is_alive]
    off = [math.log(course.days) - expected_log_days(course.age_years, 20.0, course.resection) for course in dead]
    assert np.std(off) == pytest.approx(NOISE, rel=0.05)
    assert np.mean(off) == pytest.approx(0, abs=0.02)
    assert len(dead) / len(courses) == pytest.approx(0.9, abs=0.02)


def test_a_patient_has_one_course_and_another_phantom_another() -> None:
    assert draw_course((0, 4), 20.0) == draw_course((0, 4), 20.0)
    assert draw_course((1, 4), 20.0).age_years != draw_course((0, 4), 20.0).age_years


def test_the_table_lies_beside_the_volumes_and_is_read_as_that_of_brats(tmp_path) -> None:
    write_phantom(tmp_path / "raw", SMALL)
    table = read_clinical([(tmp_path / "raw" / "survival_info.csv", "t.csv")])
    assert sorted(table.patients) == ["PHANTOM_0001", "PHANTOM_0005", "PHANTOM_0009"]  # gliomas alone
    scans = raw_scans(load("phantom"), tmp_path / "raw", "segmentation")
    assert load("phantom").find(scans).clinical == table.patients
    assert all(told.age_years and (told.survival_days or told.alive_days) for told in table.patients.values())


def test_an_older_phantom_without_a_table_is_read_without_a_remark(tmp_path) -> None:
    write_phantom(tmp_path / "raw", SMALL)
    (tmp_path / "raw" / "survival_info.csv").unlink()
    found = load("phantom").find(raw_scans(load("phantom"), tmp_path / "raw", "segmentation"))
    assert (found.clinical, found.remarks) == ({}, [])


def test_masks_without_images_are_those_of_the_scan() -> None:
    patient = draw_patient(0, 4)
    labels, brain = true_mask(patient, SMALL)
    scan = scan_brain(patient, SMALL)
    assert np.array_equal(labels, scan.labels)
    assert all(np.array_equal(brain, volume > 0) for volume in scan.sequences.values())
