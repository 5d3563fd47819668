from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.evaluation.comparing.conftest import outlined, said

from glioray.data.manifest import Leak
from glioray.data.progress import silent
from glioray.errors import DataError, RecipeError
from glioray.evaluation.comparing.run import compare, default_folder
from glioray.evaluation.run import evaluate
from glioray.registry.bundle import ModelBundle
from glioray.serving.predictor import Predictor


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def two_classifiers(make_classification, run, named, answer_by_seed):
    """One is right but for class 2; the other takes 0 for 1. Six images of three groups."""
    data = make_classification([0, 0, 1, 1, 2, 2], size_px=80).folder
    answer_by_seed({1: said(0, 1, 1), 2: said(1, 1, 2)})
    return named(f"one={run(data, 1)}", f"other={run(data, 2)}")


@pytest.fixture
def two_outlines(make_segmentation, masks, run, named, answer_by_seed):
    """Two patients, one with two cases; the second model's masks lie 2 px beside the first one's, those 1 px off."""
    data = make_segmentation({"A-1": masks[:2], "A-2": masks[2:3], "B": masks[3:]}).folder
    answer_by_seed({1: outlined(1), 2: outlined(3)})
    return named(f"near={run(data, 1)}", f"far={run(data, 2)}")


def test_classifiers_are_compared_by_balanced_accuracy_over_groups(two_classifiers, tmp_path):
    found = compare(two_classifiers, tmp_path / "out", "test", silent)

    (pair,) = found.pairs
    assert (found.figure, found.unit, found.units, found.rows) == ("balanced_accuracy", "groups", 3, 6)
    assert [model.score("balanced_accuracy").value for model in found.models] == pytest.approx([2 / 3, 2 / 3])
    assert pair.difference == pytest.approx(0)
    assert (pair.p, found.smallest_p) == (1, 0.25)
    same = pair.agreement
    assert (same.value, same.only_first_right, same.only_second_right, same.both_wrong) == (
        pytest.approx(1 / 3),
        2,
        2,
        0,
    )


def test_masks_are_compared_by_dice_over_patients(two_outlines, tmp_path):
    found = compare(two_outlines, tmp_path / "out", "test", silent)

    (pair,) = found.pairs
    near, far = (model.score("dice").value for model in found.models)
    assert (found.figure, found.unit, found.units) == ("dice", "patients", 2)
    assert near > far
    assert pair.difference == pytest.approx(near - far)
    # The two lie 2 px apart, as a mask that was moved by 2 px lies beside the truth.
    assert far < pair.agreement.value < near


def test_scores_are_those_of_an_evaluation(two_outlines, tmp_path):
    found = compare(two_outlines, tmp_path / "out", "test", silent)

    for model in two_outlines:
        alone = evaluate(model.bundle, model.data, tmp_path / model.name)
        compared = next(one for one in found.models if one.name == model.name)
        assert compared.scores
        assert set(compared.scores) <= set(alone.scores)
        assert found.split == alone.split


def test_every_row_is_predicted_once_by_each_model(make_classification, run, named, answer_by_seed, tmp_path):
    seen = {1: 0, 2: 0}

    def counting(seed: int):
        def answer(images):
            seen[seed] += len(images) if len(images) > 1 else 0  # single ones are timed
            return said(0, 1, 2)(images)

        return answer

    data = make_classification([0, 0, 1, 1, 2, 2], size_px=80).folder
    answer_by_seed({1: counting(1), 2: counting(2)})

    compare(named(run(data, 1), run(data, 2)), tmp_path / "out", "test", silent)

    assert seen == {1: 6, 2: 6}


def test_folds_are_compared_over_all_their_patients(make_segmentation, masks, run, named, answer_by_seed, tmp_path):
    data = make_segmentation({"A": masks[:2], "B": masks[2:]}, folds=3).folder
    answer_by_seed({1: outlined(1), 2: outlined(3)})
    folds = [",".join(run(data, seed, fold) for fold in range(3)) for seed in (1, 2)]

    found = compare(named(*folds), tmp_path / "out", "test", silent)

    assert (found.units, found.rows) == (6, 12)
    assert found.split.startswith("3 folds, each patient tested once by the model that had not seen it")
    assert found.models[0].runs == ("run-1-fold-0", "run-1-fold-1", "run-1-fold-2")
    assert found.pairs[0].p == 2 / 2**6


def test_folds_in_another_order_lie_on_the_same_slices(
    make_segmentation, masks, run, named, answer_by_seed, monkeypatch, tmp_path
):
    """The masks of each fold are moved by another width, so that those of two folds are not taken for each other."""
    data = make_segmentation({"A": masks[:3], "B": masks[3:]}, folds=3).folder
    answer_by_seed({})

    def by_fold(self: Predictor, images: torch.Tensor) -> torch.Tensor:
        return outlined(self.config.seed + self.config.recipe["data"]["fold"])(images)

    monkeypatch.setattr(Predictor, "predict", by_fold)
    first, second = named(*(",".join(run(data, seed, fold) for fold in range(3)) for seed in (1, 2)))
    turned = replace(second, entries=second.entries[::-1])

    straight = compare([first, second], tmp_path / "straight", "test", silent)
    crossed = compare([first, turned], tmp_path / "crossed", "test", silent)

    assert crossed.pairs == straight.pairs
    assert re.findall("Dice [0-9.]+<", page(tmp_path / "crossed")) == re.findall(
        "Dice [0-9.]+<", page(tmp_path / "straight")
    )


def page(folder: Path) -> str:
    return (folder / "compare.html").read_text()


def test_the_tables_of_classes_hold_every_image_and_every_group(two_classifiers, tmp_path):
    compare(two_classifiers, tmp_path / "out", "test", silent)

    images, groups = (read_csv(tmp_path / "out" / name) for name in ("predictions.csv", "groups.csv"))
    assert [(row["truth"], row["answer of one"], row["answer of other"]) for row in images[::2]] == [
        ("glioma", "glioma", "meningioma"),
        ("meningioma", "meningioma", "meningioma"),
        ("notumor", "meningioma", "notumor"),
    ]
    assert [row["right answers of one"] for row in groups] == ["2", "2", "0"]


def test_the_table_of_patients_has_the_mean_over_their_cases(two_outlines, tmp_path):
    found = compare(two_outlines, tmp_path / "out", "test", silent)

    rows = read_csv(tmp_path / "out" / "patients.csv")
    assert [(row["patient"], row["cases"]) for row in rows] == [("testA", "2"), ("testB", "1")]
    for model in found.models:
        column = [float(row[f"dice of {model.name}"]) for row in rows]
        assert np.mean(column) == pytest.approx(model.score("dice").value)


def test_the_values_are_read_back_and_the_page_is_one_file(two_outlines, tmp_path):
    found = compare(two_outlines, tmp_path / "out", "test", silent)

    assert type(found).model_validate_json((tmp_path / "out" / "compare.json").read_bytes()) == found
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["schema_version"] == 1
    text = (tmp_path / "out" / "compare.html").read_text()
    assert "Not a medical device" in text
    assert "http" not in text.replace("http-equiv", "")


def test_two_models_that_agree_on_everything_have_no_pictures(
    make_classification, run, named, answer_by_seed, tmp_path
):
    data = make_classification([0, 1, 2], size_px=80).folder
    answer_by_seed(dict.fromkeys((1, 2), said(0, 1, 2)))

    found = compare(named(run(data, 1), run(data, 2)), tmp_path / "out", "test", silent)

    assert found.pairs[0].agreement.value == 1
    assert "Nowhere: all models give the same answers" in (tmp_path / "out" / "compare.html").read_text()


def test_a_leak_stands_on_the_page_and_in_the_values(make_classification, run, named, answer_by_seed, tmp_path):
    data = make_classification([0, 1, 2], size_px=80, leak=Leak(test_images=3, with_copy_in_training=2)).folder
    answer_by_seed({1: said(0, 1, 1), 2: said(1, 1, 2)})

    found = compare(named(run(data, 1), run(data, 2)), tmp_path / "out", "test", silent)

    assert found.leak == "leaky: 2 of 3 test images have a copy in training"
    assert (tmp_path / "out" / "compare.html").read_text().count(found.leak) == 2


def test_val_is_marked_for_what_it_is(two_classifiers, tmp_path):
    compare(two_classifiers, tmp_path / "out", "val", silent)

    assert "Not the test side" in (tmp_path / "out" / "compare.html").read_text()


def test_what_is_not_a_comparison_is_not_replaced(two_classifiers, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")

    with pytest.raises(DataError, match=r"holds 'thesis.tex'"):
        compare(two_classifiers, tmp_path / "out", "test", silent)


def test_an_older_comparison_is_replaced(two_classifiers, tmp_path):
    first = compare(two_classifiers, tmp_path / "out", "test", silent)
    second = compare(two_classifiers, tmp_path / "out", "test", silent)

    assert second.pairs == first.pairs


def test_patients_without_any_tumor_cannot_be_compared(make_segmentation, run, named, answer_by_seed, tmp_path):
    data = make_segmentation({"A": [np.zeros((16, 16), dtype=np.uint8)] * 2}).folder
    answer_by_seed({1: outlined(0), 2: outlined(1)})

    with pytest.raises(DataError, match="dice is not defined for a single patient"):
        compare(named(run(data, 1), run(data, 2)), tmp_path / "out", "test", silent)
    assert not (tmp_path / "out").exists()


def test_a_missing_device_is_said_first(two_classifiers, tmp_path):
    with pytest.raises(RecipeError, match="not a device"):
        compare(two_classifiers, tmp_path / "out", "test", silent, "cudda")


def test_the_default_folder_does_not_know_the_order(two_classifiers):
    there = default_folder(two_classifiers, "test")

    assert default_folder(two_classifiers[::-1], "test") == there
    assert there.parent == Path("comparisons")
    assert there.name.startswith("one-vs-other-")
    assert default_folder(two_classifiers, "val").name == f"{there.name}-val"


def test_bundles_are_left_as_they_were(two_classifiers, tmp_path):
    compare(two_classifiers, tmp_path / "out", "test", silent)

    for model in two_classifiers:
        kept = ModelBundle.load(Path(model.entries[0].name) / "bundle")
        assert kept.config == model.config
        assert not (Path(model.entries[0].name) / "evaluation").exists()
