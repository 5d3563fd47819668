"""From scans and a table to a report; by whom masks are predicted; whole or not at all."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from glioray.cli import main
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.shards import read_columns
from glioray.errors import DataError, ModelError
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle, versions
from glioray.serving.predictor import Predictor
from glioray.survival.result import FILE_NAME
from glioray.survival.run import Asked, survival


@pytest.fixture(scope="module")
def prepared(brats: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Three folds of the same patients, 16 px."""
    options = PrepareOptions(image_size=16, folds=3)
    return prepare("brats_nifti", brats, tmp_path_factory.mktemp("prepared") / "data", options)


def bundle_of(dataset: PreparedDataset, learned_from: set[str]) -> ModelBundle:
    """An untrained U-Net that says that it has learned from these scans."""
    manifest = dataset.manifest
    recipe = Recipe.from_values(
        {"task": "segmentation", "data": {"path": "data"}, "model": {"name": "classic_unet", "base_filters": 2,
         "depth": 1}}
    )  # fmt: skip
    config = BundleConfig(
        recipe=recipe.values(),
        signature=dataset.signature,
        contents=manifest.contents,
        preprocessing=manifest.settings.preprocessing,
        normalization=manifest.normalization,
        data_fingerprint=manifest.fingerprint,
        source_hash=manifest.settings.source_hash,
        learned_from=tuple(sorted(learned_from)),
        leak=None,
        epoch=1,
        versions=versions(),
    )
    torch.manual_seed(0)
    return ModelBundle(config, models.build(recipe.model, dataset.signature).state_dict())


def hashes_by_patient(dataset: PreparedDataset) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in dataset.manifest.parts:
        columns = read_columns(dataset.folder, dataset.manifest, part, ["patient_id", "case_hash"])
        found |= dict(zip(columns["patient_id"], columns["case_hash"], strict=True))
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_masks_that_decide_survival_are_found_to_add_to_age(brats, tmp_path, quick, silent) -> None:
    found = survival(Asked(brats, None), tmp_path / "out", silent, quick)
    assert (found.patients, found.died, found.alive, found.tested) == (30, 29, 1, 30)
    assert found.line("masks").score("r2_log_days").value > 0.8
    assert found.line("age_line").score("r2_log_days").value < 0.3
    assert found.difference("masks", "age_line").verdict == "better"
    assert found.verdict.startswith("Masks add to age: concordance index +0.")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "survival.html", "survival.json", "features.csv", "predictions.csv",
    }  # fmt: skip


def test_who_was_not_used_is_said(brats, tmp_path, quick, silent) -> None:
    found = survival(Asked(brats, brats / "survival_info.csv"), tmp_path / "out", silent, quick)
    told = [f"{remark.source}: {remark.reason}" for remark in found.remarks]
    assert "1 patient (B99): left out: in the table, but no scan of theirs is here" in told
    assert "raw: left out: scans of 1 patients without a line in the table, as B30" in told
    assert any("is taken as alive after 100 days" in line for line in told)
    page = (tmp_path / "out" / "survival.html").read_text()
    assert "Research use only. Not a medical device" in page
    assert "no scan of theirs is here" in page


def test_raw_and_prepared_masks_of_the_same_voxels_have_the_same_features(
    brats, prepared, tmp_path, quick, silent
) -> None:
    for name, place in (("raw", brats), ("prepared", prepared.folder)):
        survival(Asked(place, None), tmp_path / name, silent, quick)
    raw, shards = (rows_of(tmp_path / name / "features.csv") for name in ("raw", "prepared"))
    assert [row["patient_id"] for row in raw] == [row["patient_id"] for row in shards]
    for one, other in zip(raw, shards, strict=True):
        measured = [name for name in one if name.endswith(("_ml", "_share", "_mm", "_mm2"))]
        assert [float(one[name]) for name in measured] == pytest.approx([float(other[name]) for name in measured])


@pytest.mark.parametrize("is_prepared", [True, False], ids=["prepared", "raw"])
def test_each_patient_is_answered_by_the_model_that_has_not_seen_it(
    brats, prepared, tmp_path, quick, silent, monkeypatch, is_prepared
) -> None:
    hashes = hashes_by_patient(prepared)
    halves = [{hashes[f"B{i:02}"] for i in range(31) if i % 2 == half} for half in (0, 1)]
    bundles = tuple((f"fold{half}", bundle_of(prepared, learned)) for half, learned in enumerate(halves))
    answers: dict[int, int] = {}

    def label_map(self: Predictor, probabilities: torch.Tensor) -> torch.Tensor:
        """The model that learned from the even patients paints 1, the other 4."""
        label = 1 if set(self.config.learned_from) == halves[0] else 4
        answers[label] = answers.get(label, 0) + len(probabilities)
        return torch.full((len(probabilities), 16, 16), label, dtype=torch.uint8)

    monkeypatch.setattr(Predictor, "label_map", label_map)
    survival(Asked(prepared.folder if is_prepared else brats, None, bundles), tmp_path / "out", silent, quick)
    predicted = {
        row["patient_id"]: row for row in rows_of(tmp_path / "out" / "features.csv") if row["mask"] == "predicted"
    }
    assert len(predicted) == 30
    for name, row in predicted.items():
        is_even = int(name[1:]) % 2 == 0
        assert (float(row["ET_ml"]) > 0) == is_even
        assert (float(row["necrotic_ml"]) > 0) != is_even
    assert set(answers) == {1, 4}


def test_patients_that_every_model_has_seen_are_learned_from_but_not_scored(prepared, tmp_path, quick, silent) -> None:
    hashes = hashes_by_patient(prepared)
    seen = {hashes[f"B{i:02}"] for i in range(12)}
    asked = Asked(prepared.folder, None, (("run", bundle_of(prepared, seen)),))
    found = survival(asked, tmp_path / "out", silent, quick)
    assert (found.patients, found.tested) == (30, 18)
    assert found.line("masks_predicted").score("c_index").units == 18
    assert found.line("masks").score("c_index").units == 18
    rows = rows_of(tmp_path / "out" / "predictions.csv")
    assert [row["predicted_days/masks_predicted"] == "" for row in rows] == [i < 12 for i in range(30)]


def test_a_model_that_has_seen_them_all_is_refused(prepared, tmp_path, quick, silent) -> None:
    asked = Asked(prepared.folder, None, (("greedy", bundle_of(prepared, set(hashes_by_patient(prepared).values()))),))
    with pytest.raises(ModelError, match=r"greedy: may answer for 0 of 30 patients.*Give the models of all folds"):
        survival(asked, tmp_path / "out", silent, quick)
    assert not (tmp_path / "out").exists()


def test_a_table_alone_gives_age_and_resection(brats, tmp_path, quick, silent) -> None:
    found = survival(Asked(None, brats / "survival_info.csv"), tmp_path / "out", silent, quick)
    assert {line.name for line in found.lines} == {"median", "age_line", "clinical"}
    assert found.patients == 31
    assert found.verdict.startswith("No masks were given")
    assert found.line("median").score("spearman_r") is None


def test_the_same_seed_gives_the_same_bytes_and_another_other_folds(brats, tmp_path, quick, silent) -> None:
    table = brats / "survival_info.csv"
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        survival(Asked(None, table, seed=seed), tmp_path / name, silent, quick)
    one, same, other = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("one", "same", "other"))
    assert one == same != other


def test_nothing_to_learn_from_says_what_to_give(tmp_path, quick, silent) -> None:
    with pytest.raises(DataError, match="Give one, such as BraTS' survival_info.csv: --table CSV"):
        survival(Asked(None, None), tmp_path / "out", silent, quick)


def test_a_folder_of_something_else_is_left_alone(brats, tmp_path, quick, silent) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"holds 'thesis\.txt'"):
        survival(Asked(None, brats / "survival_info.csv"), tmp_path, silent, quick)


def test_classification_data_have_no_masks(prepared, tmp_path, quick, silent) -> None:
    shutil.copy(prepared.folder / "split.json", tmp_path)
    text = (prepared.folder / "manifest.json").read_text().replace('"segmentation"', '"classification"')
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="prepared for classification, so it has no masks"):
        survival(Asked(tmp_path, None), tmp_path / "out", silent, quick)


def test_the_command_prints_its_scores_as_json(brats, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("glioray.survival.run.survival.__defaults__", ({"line": lambda: _line()},))
    arguments = ["survival", "--table", str(brats / "survival_info.csv"), "--out", str(tmp_path / "out"), "--json"]
    monkeypatch.setattr(sys, "argv", ["glioray", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = json.loads(capsys.readouterr().out)
    saved = json.loads((tmp_path / "out" / FILE_NAME).read_text())
    assert printed["lines"] == saved["lines"]
    assert saved["schema_version"] == 1
    score = saved["lines"][0]["scores"][0]
    assert score.keys() >= {"value", "low", "high", "split", "units", "unit", "seed"}
    assert "5-fold cross-validation by patient" in score["split"]


def test_a_bundle_without_scans_is_one_line(brats, prepared, tmp_path, quick, silent) -> None:
    asked = Asked(None, brats / "survival_info.csv", (("run", bundle_of(prepared, {"x"})),))
    with pytest.raises(DataError, match="a bundle predicts masks, and no scans are given"):
        survival(asked, tmp_path / "out", silent, quick)


def _line():
    from glioray.survival.models import line

    return line()


def test_features_of_a_raw_scan_are_counted_by_hand(brats, tmp_path, quick, silent) -> None:
    survival(Asked(brats, None), tmp_path / "out", silent, quick)
    first = rows_of(tmp_path / "out" / "features.csv")[0]
    voxel_ml = 4 * 4 * 6 / 1000
    assert float(first["ET_ml"]) == pytest.approx(2 * 2 * 4 * voxel_ml)
    assert float(first["WT_ml"]) == pytest.approx(3 * 3 * 4 * voxel_ml)
    assert float(first["height_mm"]) == 24
    assert np.isclose(float(first["up"]), 0.5)
