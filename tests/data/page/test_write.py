from __future__ import annotations

import base64
import hashlib
import re

import numpy as np
from PIL import Image

from glioray.data.manifest import Duplicates
from glioray.data.page import write_page
from glioray.data.prepare import PrepareOptions, prepare
from glioray.data.prepared import PreparedDataset
from glioray.data.records import Clinical

SMALL = PrepareOptions(image_size=32, workers=1, val_fraction=0.25, test_fraction=0.25)


def page_of(source, raw, out, options=SMALL):
    dataset = prepare(source, raw, out, options)
    return (dataset.folder / "dataset.html").read_text(encoding="utf-8")


def changed(dataset, **values):
    return PreparedDataset(dataset.folder, dataset.manifest.model_copy(update=values), dataset.split)


def test_the_page_loads_nothing_from_elsewhere(lgg_folder, tmp_path) -> None:
    page = page_of("lgg", lgg_folder, tmp_path / "out")
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", page) == []
    assert re.findall(r"url\((?!data:)|@import|https?://", page) == []
    assert "not a medical device" in page


def test_the_page_runs_its_own_script_and_no_other(lgg_folder, tmp_path) -> None:
    page = page_of("lgg", lgg_folder, tmp_path / "out")
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_copies_with_two_labels_are_shown(kaggle_folder, tmp_path, draw_head) -> None:
    mirrored = np.ascontiguousarray(draw_head(0)[:, ::-1])
    Image.fromarray(mirrored).save(kaggle_folder / "Training" / "pituitary" / "mirrored.jpg", format="PNG")
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out")
    assert "Copies with two labels" in page
    assert 'alt="Training/pituitary/mirrored.jpg"' in page


def test_the_leak_of_a_published_split_is_said(kaggle_folder, tmp_path, draw_head) -> None:
    Image.fromarray(draw_head(0)).save(kaggle_folder / "Testing" / "glioma" / "copy.png")
    options = SMALL.model_copy(update={"split": "published"})
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out", options)
    assert "leaky: 1 of 9 test images have a copy in training" in page
    assert "stands in two parts" not in page


def test_a_refused_file_is_listed_and_its_name_is_no_markup(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Testing" / "glioma" / "<script>x.jpg").write_text("text")
    options = SMALL.model_copy(update={"skip_unreadable": True})
    page = page_of("kaggle_mri", kaggle_folder, tmp_path / "out", options)
    assert "&lt;script&gt;x.jpg" in page
    assert "<script>x" not in page


def test_the_page_is_the_same_each_time(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    histograms = {part: np.ones((3, 256), dtype=np.int64) for part in dataset.manifest.parts}
    first = write_page(dataset, histograms).read_bytes()
    assert write_page(dataset, histograms).read_bytes() == first


def test_figures_and_tables_are_numbered_in_order(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    histograms = {part: np.ones((3, 256), dtype=np.int64) for part in dataset.manifest.parts}
    page = write_page(dataset, histograms).read_text(encoding="utf-8")
    figures = [int(number) for number in re.findall(r"<b>Figure (\d+)\.</b>", page)]
    tables = [int(number) for number in re.findall(r"<b>Table (\d+)\.</b>", page)]
    assert figures == list(range(1, 6))
    assert tables == list(range(1, len(tables) + 1))


def test_a_plan_is_shown_when_there_is_one(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    assert 'id="plan"' not in write_page(dataset, {}).read_text(encoding="utf-8")
    page = write_page(dataset, {}, notes=[("batch_size", "32 <fits>")]).read_text(encoding="utf-8")
    assert "32 &lt;fits&gt;" in page


def test_folds_stand_in_the_place_of_train_val_and_test(lgg_folder, tmp_path) -> None:
    page = page_of("lgg", lgg_folder, tmp_path / "out", SMALL.model_copy(update={"folds": 4}))
    assert all(f"fold-{fold}, 1 patient" in page for fold in range(4))
    assert "pixels, prepared ones, since the spacing of some slices is not known" in page


def test_a_class_that_a_part_lacks_is_no_bar(kaggle_folder, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    counts = dict(dataset.manifest.counts)
    lacking = {**counts["val"].rows_by_output, "glioma": 0}
    counts["val"] = counts["val"].model_copy(update={"rows_by_output": lacking})
    page = write_page(changed(dataset, counts=counts), {}).read_text(encoding="utf-8")
    assert len(re.findall(r'title="glioma: ', page)) == 2


def test_clinical_data_and_merged_patients_are_listed(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    people = {f"P{i}": Clinical(age_years=40 + 10 * i, resection="GTR") for i in range(4)}
    nested = Duplicates(groups=3, images_with_a_copy=22, largest_group=22, nested=(("P0", "P3"),))
    page = write_page(changed(dataset, clinical=people, duplicates=nested), {}).read_text(encoding="utf-8")
    assert "55 (40 to 70)" in page
    assert "Patients that were merged" in page


def test_many_refused_files_are_folded(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    refused = tuple({"source": f"scan_{i}", "reason": "truncated"} for i in range(30))
    manifest = type(dataset.manifest).model_validate({**dataset.manifest.model_dump(), "refused": refused})
    page = write_page(PreparedDataset(dataset.folder, manifest, dataset.split), {}).read_text(encoding="utf-8")
    assert "<summary>30 files refused</summary>" in page
    assert "scan_29" in page
