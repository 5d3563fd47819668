from __future__ import annotations

import json

import pytest

from glioray.errors import DataError, SchemaError
from glioray.evaluation.result import FILE_NAME, Evaluation
from glioray.registry.bundle import Score


def score(name: str) -> Score:
    return Score(name=name, value=1 / 3, low=None, high=0.9, split="test", units=9, unit="patients", seed=0)


@pytest.fixture
def evaluation(evaluation) -> Evaluation:
    scores = (score("recall"), score("median_dice"), score("dice"))
    return evaluation.model_copy(update={"scores": scores, "undefined": ("dice/WT",)})


def test_what_is_saved_is_loaded_exactly(evaluation, tmp_path):
    evaluation.save(tmp_path)

    assert Evaluation.load(tmp_path) == evaluation


def test_the_headline_comes_in_its_own_order(evaluation):
    assert [one.name for one in evaluation.headline] == ["dice", "median_dice"]


def test_a_score_is_found_by_its_name(evaluation):
    assert evaluation.score("dice") == score("dice")
    with pytest.raises(KeyError, match="dice/WT"):
        evaluation.score("dice/WT")


def test_another_fingerprint_is_other_data(evaluation):
    assert not evaluation.is_own_data
    assert evaluation.model_copy(update={"trained_on_fingerprint": "aaa"}).is_own_data


def test_another_schema_version_is_refused(evaluation, tmp_path):
    evaluation.save(tmp_path)
    content = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**content, "schema_version": 2}))

    with pytest.raises(SchemaError, match="schema version 2; this glioray reads version 1"):
        Evaluation.load(tmp_path)


@pytest.mark.parametrize("content", [None, "{", '{"schema_version": 1}', pytest.param("[" * 100_000, id="deep")])
def test_a_folder_without_an_evaluation_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / FILE_NAME).write_text(content)

    with pytest.raises(DataError, match=r"metrics\.json: not an evaluation of glioray"):
        Evaluation.load(tmp_path)


def test_one_fold_of_an_average_over_folds_is_its_own_data_and_not_its_own_split(evaluation):
    found = evaluation.model_copy(update={"data_fingerprint": "aaa", "trained_on_fingerprint": "bbb+aaa"})

    assert found.is_own_data
    assert not found.is_own_split
