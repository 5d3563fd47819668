from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glioray.data.prepared import PreparedDataset
from glioray.data.progress import silent
from glioray.errors import DataError, LeakError, RecipeError
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.result import Evaluation
from glioray.evaluation.seeds import SeedReport
from glioray.evaluation.together import evaluate_runs
from glioray.registry.bundle import ModelBundle
from glioray.registry.ensemble import Named, average
from glioray.registry.locate import Located


@pytest.fixture
def run(make_bundle, tmp_path):
    """`run(data, fold, seed)`: a trained run, as a folder with a bundle."""

    def make(data: Path, fold: int | None = None, seed: int = 0) -> Entry:
        name = f"run-{fold}-{seed}"
        bundle = make_bundle(PreparedDataset.open(data, fold), data__fold=fold, seed=seed)
        bundle.save(tmp_path / name / "bundle")
        return Entry(name, Located(bundle, tmp_path / name / "bundle", tmp_path / name / "evaluation"))

    return make


@pytest.fixture
def folds(make_segmentation):
    """Three folds of two patients; of one there are two cases."""
    masks = [np.full((16, 16), 0, dtype=np.uint8) for _ in range(4)]
    for index, mask in enumerate(masks):
        mask[2 : 6 + index, 3:9] = 1 + 3 * (index % 2)
    return make_segmentation({"A-1": masks[:2], "A-2": masks[2:3], "B": masks[3:]}, folds=3).folder


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def unlike_masks(images: torch.Tensor) -> torch.Tensor:
    """The masks, shifted by another width in each place of the batch."""
    shifted = [image[0].roll(1 + place, dims=1) for place, image in enumerate(images)]
    return torch.stack([torch.stack([one == 1, one == 4]) for one in shifted]).float()


def test_pooled_folds_are_the_concatenation_of_the_folds(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)

    found = evaluate_runs([run(folds, fold) for fold in (1, 2, 0)], folds, tmp_path / "all", "test", silent)

    (pooled,) = found.evaluations
    own = [tmp_path / f"run-{fold}-0" / "evaluation" for fold in range(3)]
    for table in ("predictions.csv", "patients.csv"):
        assert read_csv(tmp_path / "all" / table) == [row for place in own for row in read_csv(place / table)]
    assert pooled.rows == sum(Evaluation.load(place).rows for place in own) == 12
    assert (pooled.units, pooled.cases) == (6, 9)


def test_pooled_figures_are_over_all_patients_once(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)

    (pooled,) = evaluate_runs([run(folds, f) for f in range(3)], folds, tmp_path / "all", "test", silent).evaluations

    by_patient: dict[str, list[float]] = {}
    for row in read_csv(tmp_path / "all" / "patients.csv"):
        by_patient.setdefault(row["patient_id"], []).append(float(row["dice_TC"]))
    of_patients = [np.mean(values) for values in by_patient.values()]
    assert len(of_patients) == 6
    assert pooled.score("dice/TC").value == pytest.approx(np.mean(of_patients), abs=1e-7)
    assert pooled.score("median_dice/TC").value == pytest.approx(np.median(of_patients), abs=1e-7)
    assert pooled.score("dice/TC").units == 6


def test_a_pooled_page_says_who_was_tested_by_whom(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)

    found = evaluate_runs([run(folds, fold) for fold in range(3)], folds, tmp_path / "all", "test", silent)

    (pooled,) = found.evaluations
    text = " ".join(found.page.read_text().split())
    assert pooled.split.startswith(
        "3 folds, each patient tested once by the model that had not seen it, test, split by"
    )
    assert (pooled.folds, pooled.num_folds, pooled.seed) == ((0, 1, 2), 3, 0)
    assert pooled.runs == ("run-0-0", "run-1-0", "run-2-0")
    assert pooled.split in text
    assert "training seed 0" in text
    assert "notice warning" not in text
    assert Evaluation.load(tmp_path / "all") == pooled


def test_each_run_keeps_its_own_scores(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)

    evaluate_runs([run(folds, fold) for fold in range(3)], folds, tmp_path / "all", "test", silent)

    for fold in range(3):
        own = Evaluation.load(tmp_path / f"run-{fold}-0" / "evaluation")
        assert own.split.startswith(f"fold {fold} of 3, test")
        assert ModelBundle.load(tmp_path / f"run-{fold}-0" / "bundle").config.scores == own.scores


def test_a_classifier_is_pooled_over_groups(make_classification, run, answer_with, tmp_path):
    data = make_classification([0, 0, 1, 1, 2, 2], folds=3).folder
    answer_with(lambda images: torch.tensor([[0.5, 0.3, 0.2]]).repeat(len(images), 1))

    (pooled,) = evaluate_runs(
        [run(data, fold) for fold in range(3)], data, tmp_path / "all", "test", silent
    ).evaluations

    assert pooled.confusion == ((6, 0, 0), (6, 0, 0), (6, 0, 0))
    assert (pooled.units, pooled.unit, pooled.score("accuracy").value) == (9, "groups", pytest.approx(1 / 3))


def test_validation_sides_of_folds_are_marked(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)

    found = evaluate_runs([run(folds, fold) for fold in range(3)], folds, tmp_path / "all", "val", silent)

    assert "each patient once by the model that was chosen by its score on it" in found.evaluations[0].split
    assert "Not the test side" in found.page.read_text()


def test_seeds_of_one_split_give_a_table_over_seeds(make_classification, run, tmp_path):
    data = make_classification([0, 1, 2, 1], size_px=80).folder
    runs = [run(data, seed=seed) for seed in (2, 4)]

    found = evaluate_runs(runs, data, tmp_path / "all", "test", silent)

    assert [one.seed for one in found.evaluations] == [2, 4]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["report.html", "seeds.json"]
    assert SeedReport.model_validate_json((tmp_path / "all" / "seeds.json").read_bytes()) == found.over_seeds
    assert "training seeds 2, 4" in found.page.read_text()
    assert Evaluation.load(tmp_path / "run-None-4" / "evaluation").seed == 4


def test_folds_of_several_seeds_are_pooled_for_each_seed(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)
    runs = [run(folds, fold, seed) for fold in range(3) for seed in (0, 1)]

    found = evaluate_runs(runs, folds, tmp_path / "all", "test", silent)

    assert [(one.seed, one.units) for one in found.evaluations] == [(0, 6), (1, 6)]
    assert Evaluation.load(tmp_path / "all-seed-1") == found.evaluations[1]
    assert found.over_seeds is not None
    assert found.over_seeds.figures[0].standard_deviation == 0


def test_one_run_is_evaluated_as_ever(make_classification, run, tmp_path):
    data = make_classification([0, 1, 2], size_px=80).folder

    found = evaluate_runs([run(data)], data, None, "test", silent)

    assert found.page == tmp_path / "run-None-0" / "evaluation" / "report.html"
    assert found.over_seeds is None
    classes = [f"recall/{name}" for name in found.evaluations[0].outputs]
    assert list(found.summary) == ["accuracy", "balanced_accuracy", "f1", "auc", "ece", *classes]


def test_nothing_is_predicted_where_a_folder_is_in_the_way(folds, run, tmp_path):
    runs = [run(folds, fold) for fold in range(3)]
    (tmp_path / "run-2-0" / "evaluation").mkdir()
    (tmp_path / "run-2-0" / "evaluation" / "thesis.tex").write_text("years of work")

    with pytest.raises(DataError, match=r"holds 'thesis.tex'"):
        evaluate_runs(runs, folds, tmp_path / "all", "test", silent)
    assert not (tmp_path / "run-0-0" / "evaluation").exists()


def test_the_validation_side_leaves_the_report_of_the_test_side(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)
    tested = evaluate_runs([run(folds, 0)], folds, None, "test", silent)

    found = evaluate_runs([run(folds, 0)], folds, None, "val", silent)

    assert found.page == tmp_path / "run-0-0" / "evaluation-val" / "report.html"
    assert Evaluation.load(tmp_path / "run-0-0" / "evaluation") == tested.evaluations[0]


def test_an_average_over_folds_is_refused_or_its_page_says_leaky_and_not_other_data(folds, run, answer_with, tmp_path):
    answer_with(unlike_masks)
    runs = [run(folds, fold, seed=fold) for fold in (0, 1)]
    first, second = (one.found.bundle for one in runs)
    unlike = replace(second, weights={key: tensor + 1 for key, tensor in second.weights.items()})
    average_of_both = average([Named("one", first), Named("other", unlike)])
    entry = Entry("both", Located(average_of_both, None, tmp_path / "both"))

    with pytest.raises(LeakError, match="give --leaky"):
        evaluate_runs([entry], folds, None, "test", silent)
    found = evaluate_runs([entry], folds, None, "test", silent, leaky=True)

    text = found.page.read_text()
    assert "leaky: it was trained on" in text
    assert "ther data than" not in text


def test_a_missing_device_is_said_before_anything_else(folds, run):
    with pytest.raises(RecipeError, match="not a device"):
        evaluate_runs([run(folds, 0)], folds, None, "test", silent, "cudda")
