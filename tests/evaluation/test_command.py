from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from glioray.cli import main


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, make_classification, make_bundle):
    """Runs `glioray evaluate` on runs of the given seeds; gives what it wrote on the two streams."""
    dataset = make_classification([0, 1, 2, 1], size_px=80)
    monkeypatch.chdir(tmp_path)

    def run(*seeds: int, flags: tuple[str, ...] = (), learned: tuple[str, ...] = ()) -> tuple[str, str]:
        for seed in seeds:
            bundle = make_bundle(dataset, seed=seed)
            config = bundle.config.model_copy(update={"learned_from": (*bundle.config.learned_from, *learned)})
            replace(bundle, config=config).save(tmp_path / f"run{seed}" / "bundle")
        monkeypatch.setattr(sys, "argv", ["glioray", "evaluate", *(f"run{seed}" for seed in seeds), "--json", *flags])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr()

    return run


def test_one_run_gives_its_scores_and_its_report(command, tmp_path):
    found = json.loads(command(3)[0])

    assert found["report"] == "run3/evaluation/report.html"
    assert (tmp_path / found["report"]).exists()
    assert {score["seed"] for score in found["scores"]} == {3}
    assert "over_seeds" not in found


def test_several_seeds_give_a_mean_and_a_deviation(command, tmp_path):
    found = json.loads(command(1, 2)[0])

    assert found["report"].startswith("evaluations/custom_cnn-seeds-1-2-")
    assert (tmp_path / found["report"]).exists()
    assert {figure["seeds"] for figure in found["over_seeds"] if figure["name"] == "accuracy"} == {2}


def test_a_run_named_twice_is_one_line(command):
    assert "ModelError: run1 and run1: both are of seed 1; leave one out" in command(1, 1)[1]


def test_scans_that_it_learned_from_are_refused_in_one_line_unless_leaky_is_given(command):
    refused = command(1, learned=("hash of test/0.png",))[1].strip().splitlines()
    allowed = json.loads(command(1, flags=("--leaky",), learned=("hash of test/0.png",))[0])

    assert len(refused) == 1
    assert refused[0].startswith("LeakError: data: the model was trained on 1 of the 4 scans of the test side")
    assert allowed["leak"] == "leaky: it was trained on 1 of the 4 scans"
