"""Who can be learned from, and what is said of the others."""

from __future__ import annotations

import pytest

from glioray.data.records import Clinical, Refused
from glioray.errors import DataError
from glioray.survival.patients import cohort, read_table

HEAD = "Brats20ID,Age,Survival_days,Extent_of_Resection"


def people(count: int = 20) -> dict[str, Clinical]:
    return {f"B{i:02}": Clinical(age_years=40 + i, survival_days=100 + i, resection="GTR") for i in range(count)}


def test_those_who_lived_are_kept_with_the_last_that_was_heard() -> None:
    found = cohort(people() | {"L": Clinical(age_years=60, alive_days=361)}, [])
    last = found.patients[-1]
    assert (last.days, last.has_died, last.resection) == (361, False, None)
    assert found.has_died.sum() == 20
    assert found.is_gtr.sum() == 20


def test_those_without_age_or_time_are_left_out_and_counted() -> None:
    told = people() | {"X": Clinical(age_years=60), "Y": Clinical(survival_days=9), "Z": Clinical(age_years=61)}
    found = cohort(told, [Refused(source="t.csv, line 9", reason="age '-3' is left out")])
    assert len(found.patients) == 20
    assert [remark.source for remark in found.remarks] == ["t.csv, line 9", "2 patients (X, Z)", "1 patient (Y)"]
    assert "no age" in found.remarks[-1].reason


def test_a_death_on_the_day_of_operation_is_one_day() -> None:
    assert cohort(people() | {"A": Clinical(age_years=60, survival_days=0)}, []).days[0] == 1


def test_fewer_than_twenty_deaths_are_refused_with_both_numbers() -> None:
    told = people(19) | {f"L{i}": Clinical(age_years=60, alive_days=361) for i in range(9)}
    with pytest.raises(
        DataError, match="from 20 patients with age and day of death at least; found 19, of 28 patients"
    ):
        cohort(told, [])


def test_patients_of_the_table_without_a_scan_are_one_remark() -> None:
    found = cohort(people(22), []).only(["B00", "B01", *(f"B{i:02}" for i in range(6, 22))], "left out: no scan")
    assert len(found.patients) == 18
    assert found.remarks == (Refused(source="4 patients (B02, B03, B04, ...)", reason="left out: no scan"),)


def test_a_table_without_patients_says_what_was_wanted(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,days\nA,3\n")
    with pytest.raises(DataError, match=r"t\.csv: no patient in it \(.*no column of patients.*Wanted: a CSV such as"):
        read_table(path)


def test_a_table_that_is_not_there_is_one_line(tmp_path) -> None:
    with pytest.raises(DataError, match="not a readable table"):
        read_table(tmp_path / "none.csv")


def test_doubled_patients_and_negative_days_are_remarked_on(tmp_path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"P{i:02},50,{100 + i},GTR" for i in range(20)]
    path.write_text("\n".join([HEAD, *lines, "A,50,9,GTR", "A,50,8,GTR", "C,50,-3,GTR", "D,200,50,GTR"]))
    table = read_table(path)
    found = cohort(table.patients, table.remarks)
    assert len(found.patients) == 20
    told = " ".join(remark.reason for remark in found.remarks)
    assert "neither is used" in told
    assert "survival '-3' is left out" in told
    assert "age '200' is left out" in told
