from __future__ import annotations

import pytest

from glioray.data.manifest import Leak
from glioray.errors import ModelError
from glioray.evaluation.unseen import require_unseen


@pytest.fixture
def of_other_data(make_classification, make_bundle):
    """The config of a model whose data were others; `known` are the scans that it learned from."""
    dataset = make_classification([0, 1, 2])

    def config(*known: str):
        changes = {"data_fingerprint": "another", "learned_from": known}
        return dataset, make_bundle(dataset).config.model_copy(update=changes)

    return config


def test_a_scan_that_was_learned_from_is_refused_with_its_number(of_other_data):
    dataset, config = of_other_data("hash of test/0.png", "hash of elsewhere")

    with pytest.raises(ModelError, match=r"run: has learned from 1 of the 3 scans of .*, side test.*--data"):
        require_unseen("run", config, dataset, "test")


@pytest.mark.parametrize("side", ["val", "test"])
def test_scans_that_it_has_not_seen_are_no_leak(of_other_data, side):
    dataset, config = of_other_data("hash of elsewhere")

    require_unseen("run", config, dataset, side)


def test_val_of_other_data_is_refused_too(of_other_data):
    dataset, config = of_other_data("hash of val/1.png")

    with pytest.raises(ModelError, match="side val"):
        require_unseen("run", config, dataset, "val")


def test_val_of_its_own_split_is_not_refused(make_classification, make_bundle):
    dataset = make_classification([0, 1, 2])

    require_unseen("run", make_bundle(dataset).config, dataset, "val")


def test_a_published_split_carries_its_leak_line_and_is_not_refused(make_classification, make_bundle):
    leak = Leak(test_images=3, with_copy_in_training=1)
    dataset = make_classification([0, 1, 2], leak=leak)
    learned = make_bundle(dataset).config.model_copy(update={"learned_from": ("hash of test/0.png",)})

    require_unseen("run", learned, dataset, "test")
    with pytest.raises(ModelError, match="learned from 1"):
        require_unseen("run", learned.model_copy(update={"data_fingerprint": "another"}), dataset, "test")
