from __future__ import annotations

import json
import sys

import pytest
from tests.evaluation.comparing.conftest import said

from glioray.cli import main


@pytest.fixture
def command(make_classification, run, answer_by_seed, monkeypatch, capsys, tmp_path):
    """Runs `glioray compare`; gives what it wrote on the two streams."""
    data = make_classification([0, 0, 1, 1, 2, 2], size_px=80).folder
    for seed in (1, 2):
        run(data, seed)
    answer_by_seed({1: said(0, 1, 1), 2: said(1, 1, 2)})
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["glioray", "compare", *words])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr()

    return call


def test_two_runs_give_a_page_and_its_values(command, tmp_path):
    found = json.loads(command("run-1", "run-2", "--json")[0])

    assert found["report"].startswith("comparisons/custom_cnn-seed-1-vs-custom_cnn-seed-2-")
    assert (tmp_path / found["report"]).exists()
    assert [pair["first"] for pair in found["pairs"]] == ["custom_cnn, seed 1"]
    assert found["schema_version"] == 1


def test_a_person_reads_scores_differences_and_where_the_page_lies(command):
    out = command("mine=run-1", "run-2", "--side", "val", "--out", "there")[0]

    assert "balanced_accuracy 0.667" in out
    assert "mine − custom_cnn" in out
    assert "there/compare.html" in out
    assert "Not a medical device" in out


def test_one_model_alone_is_one_line(command):
    assert command("run-1")[1].startswith("ModelError: a comparison takes two models or more, 1 is given: run-1.")
