from __future__ import annotations

import pytest

from glioray.data.manifest import Leak
from glioray.errors import LeakError
from glioray.evaluation.leak import leak_line, require_unseen
from glioray.evaluation.side import SideRows

FIRST = "hash of test/0.png"


def rows_of(dataset, side="test") -> SideRows:
    return SideRows.read(dataset, side)


def having_learned(bundle, *hashes: str):
    return bundle.config.model_copy(update={"learned_from": (*bundle.config.learned_from, *hashes)})


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_the_sides_of_its_own_split_are_let_through(make_classification, make_bundle, side):
    dataset = make_classification([0, 1, 2])
    config = make_bundle(dataset).config

    require_unseen("run", config, rows_of(dataset, side))

    assert leak_line([(config, rows_of(dataset, side))]) is None


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_any_side_of_other_data_with_scans_it_learned_from_is_refused(make_classification, make_bundle, side):
    bundle = make_bundle(make_classification([0, 1, 2]))
    other = rows_of(make_classification([2, 1, 0], name="other"), side)
    config = having_learned(bundle, FIRST)
    num_learned = 1 if side == "test" else 3

    with pytest.raises(
        LeakError, match=rf"trained on {num_learned} of the 3 scans of the {side} side \('{side}/0.png'"
    ):
        require_unseen("run", config, other)
    assert leak_line([(config, other)]) == f"leaky: it was trained on {num_learned} of the 3 scans"


def test_a_published_split_says_more_than_its_identical_scans(make_classification, make_bundle):
    dataset = make_classification([0, 1, 2], leak=Leak(test_images=3, with_copy_in_training=2))
    config = having_learned(make_bundle(dataset), FIRST)

    require_unseen("run", config, rows_of(dataset))

    assert leak_line([(config, rows_of(dataset))]) == "leaky: 2 of 3 test images have a copy in training"


def test_a_test_side_that_was_learned_from_is_refused_whatever_the_fingerprint(make_classification, make_bundle):
    dataset = make_classification([0, 1, 2])

    with pytest.raises(LeakError, match="trained on 1 of the 3 scans"):
        require_unseen("run", having_learned(make_bundle(dataset), FIRST), rows_of(dataset))


def test_scans_of_all_folds_are_counted_together(make_classification, make_bundle):
    dataset = make_classification([0, 1, 2])
    bundle = make_bundle(dataset)

    line = leak_line([(config, rows_of(dataset)) for config in (bundle.config, having_learned(bundle, FIRST))])

    assert line == "leaky: it was trained on 1 of the 6 scans"
