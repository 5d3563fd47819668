from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from glioray.audit.random_labels import deal_labels, random_labels
from glioray.audit.result import RandomLabels
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.errors import DataError


@pytest.fixture(scope="module")
def trained(slices):
    told = []
    return random_labels(slices.folder, 1, 0, lambda *progress: told.append(progress)), told


def test_labels_are_dealt_by_group_and_each_to_as_many_images() -> None:
    groups = [f"g{i}" for i in range(40) for _ in range(1 + i % 5)]
    labels = deal_labels(groups, 4, np.random.default_rng(0))
    totals = Counter(labels[group] for group in groups)
    assert set(labels) == set(groups)
    assert max(totals.values()) - min(totals.values()) <= 1


def test_another_seed_deals_other_labels() -> None:
    groups = [f"g{i}" for i in range(20)]
    one, other = (deal_labels(groups, 4, np.random.default_rng(seed)) for seed in (0, 1))
    assert one != other


def test_both_splits_hold_the_same_images_and_only_the_one_by_image_leaks(trained, slices) -> None:
    found, _ = trained
    assert (found.by_group.train_images, found.by_group.test_images) == (
        found.by_image.train_images,
        found.by_image.test_images,
    )
    assert found.by_group.test_images == slices.manifest.sides["test"].rows
    assert found.by_group.leak is None
    assert found.by_image.leak.startswith("leaky: ")
    assert found.chance == 0.25


def test_each_line_names_its_split_groups_interval_and_seed(trained) -> None:
    found, _ = trained
    assert "test, split by group, labels at random, 4 groups, seed 0" in str(found.by_group)
    assert re.search(r"\(leaky: \d of 8 test images have a copy in training, \d more in val\)$", str(found.by_image))
    assert found.by_group.accuracy.low <= found.by_group.accuracy.value <= found.by_group.accuracy.high


def test_progress_names_both_trainings(trained) -> None:
    _, told = trained
    assert told == [("random labels, split by group", 1, 1), ("random labels, split by image", 1, 1)]


@pytest.mark.parametrize(("low", "high", "is_at_chance"), [(0.2, 0.3, True), (0.26, 0.4, False), (0.1, 0.2, False)])
def test_chance_must_lie_in_the_interval_of_the_split_by_group(trained, low, high, is_at_chance) -> None:
    found, _ = trained
    score = found.by_group.accuracy.model_copy(update={"low": low, "high": high})
    line = found.by_group.model_copy(update={"accuracy": score})
    assert RandomLabels(**{**dict(found), "by_group": line}).is_at_chance is is_at_chance


def test_a_segmentation_set_is_refused(volumes) -> None:
    with pytest.raises(DataError, match="prepared for segmentation; random labels are for classification"):
        random_labels(volumes.folder, 1, 0)


def test_folds_are_trained_on_with_the_first_as_test_side(phantom, tmp_path) -> None:
    data = prepare(
        "phantom", phantom, tmp_path / "folds", PrepareOptions(task="classification", image_size=80, folds=3)
    )
    found = random_labels(data.folder, 1, 0)
    assert found.by_group.test_images == data.manifest.counts["fold-0"].rows


def test_patients_whose_names_hold_an_at_sign_are_not_thrown_together(prepare_patients) -> None:
    data = prepare_patients("group")
    assert random_labels(data.folder, 1, 0).by_group.accuracy.units == data.manifest.sides["test"].groups > 1
