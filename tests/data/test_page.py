from __future__ import annotations

import re

import numpy as np
from PIL import Image

from glioray.data.page import write_page
from glioray.data.prepare import PrepareOptions, prepare

SMALL = PrepareOptions(image_size=32, workers=1, val_fraction=0.2, test_fraction=0.2)


def page_of(source, raw, out, options=SMALL):
    dataset = prepare(source, raw, out, options)
    return (dataset.folder / "dataset.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_from_elsewhere(kaggle_folder, tmp_path) -> None:
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out")
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "not a medical device" in page
    assert page.count("data:image/png") >= 12


def test_copies_with_two_labels_are_shown(kaggle_folder, tmp_path, draw_head) -> None:
    mirrored = np.ascontiguousarray(draw_head(0)[:, ::-1])
    Image.fromarray(mirrored).save(kaggle_folder / "Training" / "pituitary" / "mirrored.jpg", format="PNG")
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out")
    assert "Training/glioma/Training_0.jpg | Training/pituitary/mirrored.jpg" in page


def test_the_leak_of_a_published_split_is_said(kaggle_folder, tmp_path, draw_head) -> None:
    Image.fromarray(draw_head(0)).save(kaggle_folder / "Testing" / "glioma" / "copy.png")
    options = SMALL.model_copy(update={"split": "published"})
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out", options)
    assert "leaky: 1 of 9 test images have a copy in training" in page


def test_a_refused_file_is_listed_and_its_name_is_no_markup(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Testing" / "glioma" / "<script>x.jpg").write_text("text")
    options = SMALL.model_copy(update={"skip_unreadable": True})
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out", options)
    assert "&lt;script&gt;x.jpg" in page
    assert "<script" not in page


def test_the_page_of_volumes_is_the_same_each_time(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    first = (dataset.folder / "dataset.html").read_bytes()
    assert write_page(dataset).read_bytes() == first
