from __future__ import annotations

from pathlib import Path

import pytest

from glioray.errors import DataError
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.place import default_folder, require_default
from glioray.evaluation.run import evaluate
from glioray.registry.locate import Located


@pytest.fixture
def entry(make_classification, make_bundle, tmp_path) -> tuple[Entry, Path]:
    """A run that was evaluated on its own test side, and its data."""
    data = make_classification([0, 1, 2], size_px=80)
    found = Located(make_bundle(data), tmp_path / "run" / "bundle", tmp_path / "run" / "evaluation")
    evaluate(found.bundle, data.folder, found.evaluation_folder)
    return Entry("run", found), data.folder


def test_the_validation_side_has_a_folder_of_its_own(entry):
    run, data = entry

    assert default_folder(run, "test").name == "evaluation"
    assert require_default(run, data, "val").name == "evaluation-val"


def test_the_same_evaluation_again_is_allowed(entry):
    run, data = entry

    assert require_default(run, data, "test") == run.found.evaluation_folder


def test_an_evaluation_of_other_data_is_not_overwritten(entry, make_classification):
    run, _ = entry
    other = make_classification([2, 1, 0], name="other", size_px=80).folder

    with pytest.raises(DataError, match="holds an evaluation whose data is .* which would be lost.*--out"):
        require_default(run, other, "test")


def test_an_evaluation_of_another_model_is_not_overwritten(entry, make_bundle, make_classification):
    run, data = entry
    bundle = make_bundle(make_classification([0, 1, 2], name="same", size_px=80), seed=9)
    other = Entry("again", Located(bundle, None, run.found.evaluation_folder))

    with pytest.raises(DataError, match="whose seed is 7, which would be lost; of this one it is 9"):
        require_default(other, data, "test")
