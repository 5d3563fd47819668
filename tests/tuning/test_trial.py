from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.errors import DivergedError
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.training.checkpoints import checkpoints
from glioray.training.news import Metrics
from glioray.training.record import read_metrics
from glioray.tuning.trial import Trial, rows_of, run_trial


@pytest.fixture
def trial(unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path) -> Trial:
    return Trial(0, unet_recipe, volumes, tmp_path / "00000")


def test_a_trial_is_a_run_that_can_be_evaluated(trial: Trial) -> None:
    told: list[Metrics] = []
    outcome = run_trial(trial, None, told.append)
    assert outcome.kind == "complete"
    assert [row["epoch"] for row in told] == [1, 2, 3]
    assert told[-1]["core_s"] > told[0]["core_s"] > 0
    assert outcome.figures is not None
    history = read_metrics(trial.folder)
    assert outcome.figures["score"] == max(row["score"] for row in history)
    bundle = ModelBundle.load(trial.folder / "bundle")
    assert outcome.figures["parameters"] == sum(weights.numel() for weights in bundle.build().parameters())
    assert checkpoints(trial.folder) == []


def test_shared_rows_give_what_shards_give(trial: Trial, volumes: PreparedDataset, tmp_path: Path) -> None:
    sides = rows_of(volumes)
    for side in sides.values():
        for values in side.values():
            values.flags.writeable = False  # as Ray's object store hands them out
    alone = run_trial(trial, None, lambda _: None)
    shared = run_trial(replace(trial, folder=tmp_path / "00001"), sides, lambda _: None)
    assert alone.figures is not None
    assert shared.figures is not None
    assert [shared.figures[name] for name in ("score", "val/loss")] == [
        alone.figures[name] for name in ("score", "val/loss")
    ]


def test_a_trial_goes_on_from_its_last_checkpoint_and_tells_it_again(trial: Trial, tmp_path: Path) -> None:
    def end_after_two(row: Metrics) -> None:
        if row["epoch"] == 2:
            raise SystemExit

    told: list[Metrics] = []
    with pytest.raises(SystemExit):
        run_trial(trial, None, end_after_two)
    resumed = run_trial(trial, None, told.append)
    whole = run_trial(replace(trial, folder=tmp_path / "whole"), None, lambda _: None)
    assert [row["epoch"] for row in told] == [2, 3]
    assert resumed.figures is not None
    assert whole.figures is not None
    assert resumed.figures["val/loss"] == whole.figures["val/loss"]


def test_a_trial_whose_best_checkpoint_is_damaged_ends_with_the_best_that_is_left(trial: Trial) -> None:
    def end_after_three(row: Metrics) -> None:
        if row["epoch"] == 3:
            raise SystemExit

    still = replace(trial, recipe=trial.recipe.with_values("optimizer.learning_rate", 1e-12))  # the first epoch is best
    with pytest.raises(SystemExit):
        run_trial(still, None, end_after_three)
    weights = trial.folder / "checkpoint_00001" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))

    assert run_trial(still, None, lambda _: None).kind == "complete"

    assert ModelBundle.load(trial.folder / "bundle").config.epoch > 1
    assert (trial.folder / "damaged_checkpoint_00001").exists()


def test_a_complete_trial_is_not_trained_again(trial: Trial) -> None:
    first, told = run_trial(trial, None, lambda _: None), list[Metrics]()
    assert run_trial(trial, None, told.append) == first
    assert told == []


def test_a_loss_that_is_no_number_is_a_stopped_trial(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object) -> None:
        raise DivergedError("epoch 2: the loss is nan")

    monkeypatch.setattr("glioray.tuning.trial.fit", diverge)
    outcome = run_trial(trial, None, lambda _: None)
    assert (outcome.kind, outcome.reason) == ("stopped", "the loss was not a number: epoch 2: the loss is nan")


def test_a_failure_is_an_outcome_with_its_reason(trial: Trial) -> None:
    def break_down(row: Metrics) -> None:
        raise ZeroDivisionError("by hand")

    outcome = run_trial(trial, None, break_down)
    assert (outcome.kind, outcome.reason) == ("failed", "ZeroDivisionError: by hand")


def test_a_full_disk_interrupts_a_trial_and_room_lets_it_go_on(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> None:
        if "checkpoint_00002" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        copy(source, target)

    monkeypatch.setattr("glioray.training.checkpoints.shutil.copyfile", full)
    outcome = run_trial(trial, None, lambda _: None)
    assert outcome.kind == "interrupted"
    assert "make room, then run the same command again" in outcome.reason
    assert [checkpoint.name for checkpoint in checkpoints(trial.folder)] == ["checkpoint_00001"]

    monkeypatch.setattr("glioray.training.checkpoints.shutil.copyfile", copy)
    told: list[Metrics] = []
    assert run_trial(trial, None, told.append).kind == "complete"
    assert [row["epoch"] for row in told] == [1, 2, 3]


def test_a_trial_over_its_memory_fails_and_the_next_one_does_not(trial: Trial, tmp_path: Path) -> None:
    large = trial.recipe.with_settings({"model.base_filters": 64, "model.depth": 5})
    outcome = run_trial(replace(trial, recipe=large, memory_gb=0.02), None, lambda _: None)
    assert outcome.kind == "failed"
    assert "takes more memory than 0.02 GB" in outcome.reason
    assert run_trial(replace(trial, folder=tmp_path / "next"), None, lambda _: None).kind == "complete"


def test_latency_is_measured_where_it_is_asked_for(trial: Trial) -> None:
    outcome = run_trial(replace(trial, metric=("score", "answer_ms")), None, lambda _: None)
    assert outcome.figures is not None
    assert outcome.figures["answer_ms"] > 0
