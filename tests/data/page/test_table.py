from __future__ import annotations

import numpy as np

from glioray.data.page.table import read_table
from glioray.data.prepare import PrepareOptions, prepare

SMALL = PrepareOptions(image_size=32, workers=1, val_fraction=0.25, test_fraction=0.25)


def test_the_table_holds_the_rows_of_every_part_in_order(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    table = read_table(dataset)
    assert table.parts == ("train", "val", "test")
    assert len(table) == 44
    assert table.number.tolist() == [*range(22), *range(11), *range(11)]
    assert table.part_of(43) == "test"


def test_an_unknown_spacing_is_not_a_number(lgg_folder, tmp_path) -> None:
    table = read_table(prepare("lgg", lgg_folder, tmp_path / "out", SMALL))
    assert np.isnan(table.spacing_mm).all()
    assert table.label_pixels.shape == (44, 1)
    assert table.label_pixels.sum() == 4 * 64


def test_raw_sizes_are_height_by_width(volume_folder, tmp_path) -> None:
    table = read_table(
        prepare("phantom", volume_folder, tmp_path / "out", SMALL.model_copy(update={"task": "segmentation"}))
    )
    assert set(map(tuple, table.raw_size_px.tolist())) == {(40, 32)}
    assert table.spacing_mm[0, 0] == 5


def test_classes_have_labels_and_no_label_pixels(kaggle_folder, tmp_path) -> None:
    table = read_table(prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL))
    assert sorted(set(table.label.tolist())) == [0, 1, 2, 3]
    assert table.label_pixels.shape == (32, 0)
    assert set(table.patient) == {None}
