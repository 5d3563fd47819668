from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from glioray.audit.folder import read_folder
from glioray.data.progress import silent
from glioray.errors import DataError


def save(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.mark.parametrize(
    ("place", "side", "label"),
    [
        ("Training/glioma/x.png", "train", "glioma"),
        ("train set/glioma_tumor/patient 1/x.png", "train", "glioma"),
        ("x.png", None, None),
    ],
)
def test_side_and_class_are_taken_from_the_names_of_folders(tmp_path, head, place, side, label) -> None:
    save(tmp_path / place, head(0))
    (row,) = read_folder(tmp_path, silent).rows
    assert (row.name, row.side, row.label) == (place, side, label)


def test_a_file_that_cannot_be_read_is_listed_with_its_reason_and_the_rest_is_read(leaky_folder) -> None:
    pictures = read_folder(leaky_folder, silent)
    (refused,) = pictures.refused
    assert refused.source == "Testing/a/broken.jpg"
    assert "is text, not an image" in refused.reason
    assert len(pictures.rows) == 16
    assert pictures.remarks == ("1 files are no pictures by their name and were not looked at.",)


def test_a_link_out_of_the_folder_is_refused(tmp_path, head) -> None:
    save(tmp_path / "elsewhere.png", head(0))
    save(tmp_path / "scans/x.png", head(1))
    (tmp_path / "scans/y.png").symlink_to(tmp_path / "elsewhere.png")
    (refused,) = read_folder(tmp_path / "scans", silent).refused
    assert refused.source == "y.png"
    assert "leads out of the folder" in refused.reason


def test_a_folder_without_pictures_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no picture in it"):
        read_folder(tmp_path, silent)


def test_pictures_are_drawn_again_from_their_files(leaky_folder) -> None:
    pictures = read_folder(leaky_folder, silent)
    drawn = pictures.draw([3])
    assert list(drawn) == [3]
    assert drawn[3].shape == (112, 112)


def test_views_stand_in_the_order_of_the_rows(tmp_path, head) -> None:
    for number in range(5):
        save(tmp_path / f"{number}.png", head(number))
    pictures = read_folder(tmp_path, silent)
    alone = [tmp_path / row.name for row in pictures.rows]
    assert [path.name for path in alone] == [f"{number}.png" for number in range(5)]
    assert pictures.views.shape == (4, 5, 1024)
    assert np.argmax(pictures.views[2] @ pictures.views[2][2]) == 2
