from __future__ import annotations

import pytest

from glioray.data.clinical import MOST_BYTES, read_clinical
from glioray.data.records import Clinical

HEAD_2020 = "Brats20ID,Age,Survival_days,Extent_of_Resection"


@pytest.fixture
def read_table(tmp_path):
    def read(*lines: str, name: str = "survival_info.csv"):
        (tmp_path / name).write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
        return read_clinical([(tmp_path / name, name)])

    return read


def test_a_patient_has_an_age_a_survival_and_a_resection(read_table) -> None:
    table = read_table(HEAD_2020, "B1,60.463,289,GTR", "B2,52,616.0,STR")
    assert table.patients["B1"] == Clinical(age_years=60.463, survival_days=289, resection="GTR")
    assert table.patients["B2"] == Clinical(age_years=52.0, survival_days=616, resection="STR")
    assert table.remarks == []


@pytest.mark.parametrize(
    "head", ["BraTS18ID,Age,Survival,ResectionStatus", "\ufeffBraTS19ID,Age,Survival,ResectionStatus"]
)
def test_the_columns_of_earlier_years_are_known(read_table, head) -> None:
    table = read_table(head, "B1,60,289,STR", name="survival_data.csv")
    assert table.patients == {"B1": Clinical(age_years=60, survival_days=289, resection="STR")}


def test_a_patient_who_lived_has_no_time_to_death_but_an_age(read_table) -> None:
    table = read_table(HEAD_2020, "B1,60,289,GTR", "B2,61.6,ALIVE (361 days later),GTR")
    assert table.patients["B2"] == Clinical(age_years=61.6, alive_days=361, resection="GTR")
    (remark,) = table.remarks
    assert remark.source == "survival_info.csv, line 3"
    assert "'ALIVE (361 days later)'" in remark.reason


def test_a_patient_on_two_lines_that_differ_is_left_out(read_table) -> None:
    table = read_table(HEAD_2020, "B1,60,289,GTR", "B2,50,100,GTR", "B1,60,290,GTR")
    assert set(table.patients) == {"B2"}
    (remark,) = table.remarks
    assert (remark.source, "line 2" in remark.reason) == ("survival_info.csv, line 4", True)
    assert "neither is used" in remark.reason


def test_a_patient_on_two_lines_that_agree_is_kept(read_table) -> None:
    table = read_table(HEAD_2020, "B1,60,289,GTR", "B1,60,289,GTR")
    assert set(table.patients) == {"B1"}
    assert "says the same" in table.remarks[0].reason


@pytest.mark.parametrize("age", ["", "NA", "-3", "0", "131", "nan", "inf", "old"])
def test_an_age_that_is_none_is_left_out_with_its_line(read_table, age) -> None:
    table = read_table(HEAD_2020, f"B1,{age},289,GTR", "B2,50,100,GTR")
    assert table.patients["B1"] == Clinical(survival_days=289, resection="GTR")
    assert table.patients["B2"].age_years == 50
    assert [(remark.source, repr(age) in remark.reason) for remark in table.remarks] == [
        ("survival_info.csv, line 2", True)
    ]


@pytest.mark.parametrize("days", ["", "NA", "-1", "12.5", "1e9", "soon"])
def test_a_survival_that_is_none_is_left_out_with_its_line(read_table, days) -> None:
    table = read_table(HEAD_2020, f"B1,60,{days},GTR")
    assert table.patients["B1"].survival_days is None
    assert table.remarks[0].source == "survival_info.csv, line 2"


def test_missing_resections_are_one_remark(read_table) -> None:
    table = read_table(HEAD_2020, "B1,60,289,NA", "B2,60,289,", "B3,60,289,GTR")
    assert table.patients["B1"].resection is None
    assert [remark.reason for remark in table.remarks] == ["no extent of resection for 2 of 3 patients"]


def test_a_line_of_another_length_or_without_a_patient_harms_no_other(read_table) -> None:
    table = read_table(HEAD_2020, "B1,60", ",60,289,GTR", "", "B4,60,289,GTR")
    assert set(table.patients) == {"B4"}
    assert [remark.source for remark in table.remarks] == ["survival_info.csv, line 2", "survival_info.csv, line 3"]


def test_a_table_without_patients_is_a_remark(read_table) -> None:
    table = read_table("Name,Age", "B1,60")
    assert table.patients == {}
    assert "'Brats20ID'" in table.remarks[0].reason


def test_what_is_no_table_is_a_remark(tmp_path) -> None:
    (tmp_path / "empty.csv").write_text("\n")
    (tmp_path / "huge.csv").write_bytes(b"a," * (MOST_BYTES // 2 + 1))
    names = ("empty.csv", "huge.csv", "missing.csv")
    table = read_clinical([(tmp_path / name, name) for name in names])
    assert [remark.source for remark in table.remarks] == list(names)
