from __future__ import annotations

import json

import pytest

from glioray.data.page.patients import find_patients
from glioray.data.page.table import read_table
from glioray.data.page.walk import walk_of
from glioray.data.prepare import PrepareOptions, prepare

SMALL = PrepareOptions(image_size=32, workers=1, val_fraction=0.25, test_fraction=0.25)


@pytest.fixture
def prepared(lgg_folder, tmp_path):
    return prepare("lgg", lgg_folder, tmp_path / "out", SMALL)


def test_the_walk_shows_every_slice_of_a_patient_of_val(prepared) -> None:
    table = read_table(prepared)
    walk = walk_of(prepared, table, find_patients(table))
    assert walk.part == "val"
    assert walk.num_frames == walk.num_slices == 11
    assert list(walk.sheets) == ["pre_contrast", "flair", "post_contrast"]
    assert list(walk.labels) == ["flair_abnormality"]


def test_the_first_frame_is_the_slice_with_most_tumor(prepared) -> None:
    table = read_table(prepared)
    walk = walk_of(prepared, table, find_patients(table))
    assert walk.first_caption == json.loads(walk.captions)[walk.first]
    assert walk.first_caption.startswith("slice 10, tumor 64 pixels")
    assert sum("tumor" in caption for caption in json.loads(walk.captions)) == 1


def test_the_last_frame_of_a_line_is_at_the_right_end(prepared) -> None:
    table = read_table(prepared)
    walk = walk_of(prepared, table, find_patients(table))
    assert (walk.columns, walk.lines) == (4, 3)
    assert walk.place(3) == ("100.0000%", "0.0000%")
    assert walk.place(8) == ("0.0000%", "100.0000%")


def test_single_images_are_no_walk(kaggle_folder, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    table = read_table(dataset)
    assert walk_of(dataset, table, find_patients(table)) is None
