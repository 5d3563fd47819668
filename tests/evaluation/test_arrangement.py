from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glioray.data.prepared import PreparedDataset
from glioray.errors import DataError, GliorayError, ModelError, RecipeError
from glioray.evaluation.arrangement import Entry, arrange
from glioray.registry.bundle import Member
from glioray.registry.locate import Located


@pytest.fixture
def folds(make_classification):
    """Of a data set of three folds."""
    return make_classification([0, 1, 2], folds=3).folder


@pytest.fixture
def run(make_bundle):
    """`run(data, fold, ...)`: an entry that is named for its fold and seed."""

    def make(data: Path, fold: int | None, seed: int = 0, **settings: object) -> Entry:
        bundle = make_bundle(PreparedDataset.open(data, fold), data__fold=fold, seed=seed, **settings)
        return Entry(f"run{fold}s{seed}", Located(bundle, None, data))

    return make


def names(arrangement) -> dict:
    return {seed: [entry.name for entry in runs] for seed, runs in arrangement.by_seed.items()}


def with_config(entry: Entry, **changes: object) -> Entry:
    bundle = entry.found.bundle
    changed = replace(bundle, config=bundle.config.model_copy(update=changes))
    return Entry(entry.name, Located(changed, None, entry.found.evaluation_folder))


def test_folds_are_put_in_their_order(folds, run):
    arranged = arrange([run(folds, fold) for fold in (2, 0, 1)], folds, "test")

    assert names(arranged) == {0: ["run0s0", "run1s0", "run2s0"]}
    assert arranged.folder_name.startswith("custom_cnn-3-folds-")


def test_seeds_of_one_split_are_put_side_by_side(make_classification, run):
    data = make_classification([0, 1, 2]).folder

    arranged = arrange([run(data, None, seed) for seed in (4, 1)], data, "test")

    assert names(arranged) == {4: ["runNones4"], 1: ["runNones1"]}
    assert arranged.folder_name.startswith("custom_cnn-seeds-1-4-")


def test_all_folds_of_several_seeds_are_folds_for_each_seed(folds, run):
    arranged = arrange([run(folds, fold, seed) for fold in range(3) for seed in (0, 1)], folds, "val")

    assert names(arranged) == {0: ["run0s0", "run1s0", "run2s0"], 1: ["run0s1", "run1s1", "run2s1"]}


def test_a_folder_has_the_same_name_for_the_same_runs_in_any_order(folds, run):
    runs = [run(folds, fold) for fold in range(3)]

    assert arrange(runs, folds, "test").folder_name == arrange(runs[::-1], folds, "test").folder_name


def test_a_fold_that_is_missing_is_named(folds, run):
    with pytest.raises(DataError, match=r"seed 0: of 3 folds, there is no run of fold 1\. Train .* data\.fold=1"):
        arrange([run(folds, 0), run(folds, 2)], folds, "test")


def test_a_fold_that_is_missing_for_one_of_the_seeds_is_named(folds, run):
    runs = [run(folds, fold, seed) for fold, seed in ((0, 0), (1, 0), (2, 0), (0, 5), (2, 5))]

    with pytest.raises(DataError, match="seed 5: of 3 folds, there is no run of fold 1"):
        arrange(runs, folds, "test")


def test_a_fold_that_is_there_twice_is_refused(folds, run):
    with pytest.raises(ModelError, match="run1s0 and run1s0: both are of fold 1 and seed 0"):
        arrange([run(folds, 0), run(folds, 1), run(folds, 1), run(folds, 2)], folds, "test")


def test_a_recipe_that_differs_in_more_is_refused_with_its_path_and_both_values(folds, run):
    other = run(folds, 1, optimizer__learning_rate=0.01)

    with pytest.raises(RecipeError, match=r"run0s0 and run1s0 differ in optimizer\.learning_rate: 0\.001 and 0\.01"):
        arrange([run(folds, 0), other, run(folds, 2)], folds, "test")


def test_what_the_plan_takes_from_each_fold_may_differ(folds, run):
    weights = [(1.0, 1.0, 1.0), (0.9, 1.0, 1.1), (1.1, 1.0, 0.9)]
    runs = [run(folds, fold, plan="auto", loss__class_weights=list(own)) for fold, own in enumerate(weights)]

    assert len(arrange(runs, folds, "test").by_seed[0]) == 3


def test_different_tasks_are_refused(folds, run, make_segmentation):
    other = make_segmentation({"A": [np.zeros((16, 16), dtype=np.uint8)]}, name="other").folder

    with pytest.raises(ModelError, match="one is for classification, the other for segmentation"):
        arrange([run(folds, 0), run(other, None)], folds, "test")


def test_different_scans_are_refused(folds, run):
    other = with_config(run(folds, 1), source_hash="of others")

    with pytest.raises(ModelError, match="run0s0 and run1s0 were trained on different data"):
        arrange([run(folds, 0), other], folds, "test")


def test_folds_of_another_drawing_are_refused(folds, run, make_classification):
    again = make_classification([2, 1, 0], name="again", folds=3).folder
    runs = [run(folds, 0), run(again, 1), run(folds, 2)]

    with pytest.raises(ModelError, match=r"run1s0 was trained on data \w+; .*, fold 1, is data \w+"):
        arrange(runs, folds, "test")


def test_seeds_of_different_splits_are_refused(make_classification, run):
    one, other = (make_classification(labels, name=str(labels[0])).folder for labels in ([0, 1], [1, 0]))

    with pytest.raises(ModelError, match="trained on different splits"):
        arrange([run(one, None, 0), run(other, None, 1)], one, "test")


def test_train_sides_of_folds_are_refused(folds, run):
    with pytest.raises(DataError, match="the train sides of folds share their patients"):
        arrange([run(folds, fold) for fold in range(3)], folds, "train")


def test_an_average_over_folds_is_refused(folds, run):
    one, other = run(folds, 0), run(folds, 1)
    fields = ("recipe", "normalization", "data_fingerprint", "leak", "epoch", "scores", "versions")
    members = tuple(Member(**{name: getattr(entry.config, name) for name in fields}) for entry in (one, other))

    with pytest.raises(GliorayError, match="run0s0: an average over 2 folds has learned from every patient"):
        arrange([with_config(one, members=members), with_config(other, members=members)], folds, "test")


def test_a_folder_has_another_name_for_other_seeds_another_side_and_other_data(make_classification, run):
    data, other = (
        make_classification([0, 1, 2], name=name, size_px=size).folder for name, size in (("a", 16), ("b", 32))
    )
    one, two, three = (run(data, None, seed) for seed in (0, 1, 2))
    arranged = [
        arrange([one, two], data, "test"),
        arrange([one, three], data, "test"),
        arrange([one, two], data, "val"),
        arrange([one, two], other, "test"),
    ]

    assert len({each.folder_name for each in arranged}) == 4


def test_an_average_and_a_single_model_are_told_apart(make_classification, run):
    data = make_classification([0, 1, 2]).folder
    one, other = run(data, None, 0), run(data, None, 1)
    members = tuple(
        Member(**{name: getattr(entry.config, name) for name in Member.model_fields}) for entry in (one, other)
    )

    with pytest.raises(ModelError, match="one is an average of 2, the other a single model"):
        arrange([with_config(one, members=members), other], data, "test")
