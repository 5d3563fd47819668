from __future__ import annotations

import re

from glioray.data.page.patients import find_patients
from glioray.data.page.strips import patient_lines


def test_patients_without_tumor_make_no_lines(make_table) -> None:
    table = make_table(["A", "B"], label_pixels=[[0], [0]])
    assert patient_lines(table, find_patients(table), ("edema",)) is None


def test_all_parts_share_one_scale(make_table) -> None:
    table = make_table(["A", "B"], parts=["train", "test"], label_pixels=[[200], [50]])
    lines, axis = patient_lines(table, find_patients(table), ("edema",))
    widths = [re.findall(r'width="([\d.]+)"', line.bars) for line in lines]
    assert widths == [["100"], ["25"]]
    assert axis.marks == (("0", "0"), ("100", "50"), ("200", "100"))


def test_labels_are_stacked(make_table) -> None:
    table = make_table(["A"], label_pixels=[[30, 0, 10]])
    ((line,), _) = patient_lines(table, find_patients(table), ("necrotic", "edema", "enhancing"))
    assert re.findall(r'class="(l\d)" x="([\d.]+)"', line.bars) == [("l0", "0"), ("l2", "75")]
    assert "enhancing 10.0 pixels" in line.bars


def test_names_keep_what_tells_them_apart(make_table) -> None:
    table = make_table(["BraTS20_Training_001", "BraTS20_Training_002"], label_pixels=[[1], [2]])
    ((line,), _) = patient_lines(table, find_patients(table), ("edema",))
    assert line.names == (("002", "BraTS20_Training_002"), ("001", "BraTS20_Training_001"))


def test_many_patients_go_without_names(make_table) -> None:
    table = make_table([f"P{i}" for i in range(60)], label_pixels=[[i] for i in range(60)])
    ((line,), _) = patient_lines(table, find_patients(table), ("edema",))
    assert line.names == ()
    assert line.count == 60
    assert line.height_px == 300
