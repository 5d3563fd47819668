from __future__ import annotations

import numpy as np

from glioray.data.sources import kaggle_mri, raw_scans


def find(root):
    return kaggle_mri.find(raw_scans(kaggle_mri, root)).cases


def test_cases_carry_label_and_published_side_and_no_patient(kaggle_folder) -> None:
    cases = find(kaggle_folder)
    assert len(cases) == 32
    assert (cases[0].case_id, cases[0].label, cases[0].published_side) == ("Testing/glioma/Testing_0.jpg", 0, "test")
    assert (cases[-1].label, cases[-1].published_side) == (3, "train")
    assert {case.patient_id for case in cases} == {None}


def test_a_png_named_jpg_is_read_in_grey(kaggle_folder, draw_head) -> None:
    case = next(case for case in find(kaggle_folder) if case.published_side == "train")
    raw = kaggle_mri.read(raw_scans(kaggle_mri, kaggle_folder), case)
    assert np.array_equal(raw.image[0, 0], draw_head(0))
    assert raw.sources == ("Training/glioma/Training_0.jpg",)
    assert raw.spacing_mm is None


def test_hidden_and_other_files_are_left_alone(kaggle_folder) -> None:
    (kaggle_folder / "Training" / "glioma" / "._Training_0.jpg").write_bytes(b"finder")
    (kaggle_folder / "Training" / "glioma" / "Thumbs.db").write_bytes(b"explorer")
    assert len(find(kaggle_folder)) == 32
