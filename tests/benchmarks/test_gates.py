"""The ways of `benchmarks/gates.py` differ in what they say they do, and begin where they say."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch

from glioray.training.checkpoints import checkpoints, damage

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OPTIONS = argparse.Namespace(size=32, filters=2, epochs=2)


@pytest.fixture
def gates(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("gates", None)
    return importlib.import_module("gates")


def test_the_ways_of_the_earlier_recipe_differ_in_the_decay_alone(gates, volumes):
    recipes = {way: gates.recipe_of(way, volumes, OPTIONS, seed=1) for way in gates.WAYS}

    earlier = recipes["earlier"]
    assert (earlier.optimizer.name, earlier.optimizer.weight_decay, earlier.optimizer.decay_all) == ("adam", 1e-2, True)
    for way, decay in (("earlier, tenth of the decay", 1e-3), ("earlier, no decay", 0.0)):
        assert recipes[way] == earlier.with_values("optimizer.weight_decay", decay)
    assert recipes["earlier, half open"] == earlier
    assert recipes["ours"].optimizer.name == "adamw"


def test_checkpoints_begin_before_the_first_step_and_are_kept(gates, volumes, tmp_path):
    recipe = gates.recipe_of("earlier", volumes, OPTIONS, seed=1)

    bundle = gates.trained(volumes, tmp_path / "torch", recipe, starts_as_torch=True)
    (tmp_path / "ours").mkdir()
    gates.start(volumes, tmp_path / "ours", recipe, starts_as_torch=False)

    assert [path.name for path in checkpoints(tmp_path / "torch")] == [f"checkpoint_0000{epoch}" for epoch in (0, 1, 2)]
    assert all(damage(path) is None for path in checkpoints(tmp_path / "torch"))
    assert bundle.config.epoch == 2
    first, ours = (
        safetensors.torch.load_file(folder / "checkpoint_00000" / "model.safetensors")["join.0.gate.weigh.weight"]
        for folder in (tmp_path / "torch", tmp_path / "ours")
    )
    assert first.abs().max() > 5 * ours.abs().max()  # ours starts half open
    assert not torch.equal(first, bundle.weights["join.0.gate.weigh.weight"])


def test_the_table_has_a_line_for_each_gate_and_each_seed_in_it(gates, volumes, tmp_path):
    recipe = gates.recipe_of("earlier", volumes, OPTIONS, seed=1)
    bundle = gates.trained(volumes, tmp_path, recipe, starts_as_torch=True)
    studies = gates.studied(tmp_path, bundle, volumes)

    text = gates.table({("earlier", 0): studies, ("earlier", 1): studies}, ["earlier"])

    assert [line.split()[1] for line in text.splitlines() if line.startswith("earlier") and "px" in line] == [
        f"{size}px" for size in (1, 2, 4, 8, 16)
    ][-len(studies[2].gates) :]
    last = studies[2].dice
    assert f"all gates: Dice {last:.3f} {last:.3f} by seed" in text
    assert "SYNTHETIC" in text
