from __future__ import annotations

import pytest

from glioray.data.manifest import Leak
from glioray.errors import LeakError
from glioray.evaluation.leak import require_unseen
from glioray.evaluation.side import SideRows


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

    with pytest.raises(LeakError, match=r"run: run was trained on 1 of the 3 scans of the test side.*--data"):
        require_unseen("run", config, SideRows.read(dataset, "test"))


@pytest.mark.parametrize("side", ["val", "test"])
def test_scans_that_it_has_not_seen_are_no_leak(of_other_data, side):
    dataset, config = of_other_data("hash of elsewhere")

    require_unseen("run", config, SideRows.read(dataset, side))


def test_val_of_other_data_is_refused_too(of_other_data):
    dataset, config = of_other_data("hash of val/1.png")

    with pytest.raises(LeakError, match="val side"):
        require_unseen("run", config, SideRows.read(dataset, "val"))


def test_val_of_its_own_split_is_not_refused(make_classification, make_bundle):
    dataset = make_classification([0, 1, 2])

    require_unseen("run", make_bundle(dataset).config, SideRows.read(dataset, "val"))


def test_a_published_split_carries_its_leak_line_and_is_not_refused(make_classification, make_bundle):
    leak = Leak(test_images=3, with_copy_in_training=1)
    dataset = make_classification([0, 1, 2], leak=leak)
    learned = make_bundle(dataset).config.model_copy(update={"learned_from": ("hash of test/0.png",)})

    require_unseen("run", learned, SideRows.read(dataset, "test"))
    with pytest.raises(LeakError, match="trained on 1"):
        require_unseen(
            "run", learned.model_copy(update={"data_fingerprint": "another"}), SideRows.read(dataset, "test")
        )
