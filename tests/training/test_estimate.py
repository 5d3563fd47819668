from __future__ import annotations

from dataclasses import replace

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.data.stream_size import train_bytes
from glioray.errors import ClusterError
from glioray.recipe import Recipe
from glioray.training import estimate as module
from glioray.training.estimate import Estimate, estimate, require_room

GB = 10**9


@pytest.fixture(autouse=True)
def _short_trials(monkeypatch) -> None:
    monkeypatch.setattr(module, "TRIAL_S", 0.0)


@pytest.fixture
def recipe(slices: PreparedDataset) -> Recipe:
    return Recipe.from_values(
        {
            "task": "classification",
            "data": {"path": str(slices.folder)},
            "model": {"name": "custom_cnn"},
            "schedule": {"warmup_epochs": 3},
            "budget": {"epochs": 5, "batch_size": 4},
        }
    )


FOUND = Estimate(
    update_s=1.0,
    epoch_s=10.0,
    run_s=100.0,
    worker_bytes=2 * GB,
    train_bytes=GB,
    is_in_memory=True,
    checkpoint_bytes=GB,
)


def test_a_run_is_all_updates_and_validations_of_all_epochs(recipe, slices, monkeypatch):
    monkeypatch.setattr(module._Clock, "seconds", 2.0)
    sides = slices.manifest.sides
    updates, validations = sides["train"].rows // 4, -(-sides["val"].rows // 4)

    found = estimate(recipe, slices)

    assert (found.epoch_s, found.run_s) == (2.0 * (updates + validations), 10.0 * (updates + validations))


def test_workers_share_the_epoch(recipe, slices, monkeypatch):
    monkeypatch.setattr(module._Clock, "seconds", 2.0)

    alone, of_two = (estimate(recipe.with_values("scaling.num_workers", n), slices) for n in (1, 2))

    assert of_two.epoch_s == pytest.approx(alone.epoch_s, rel=0.3)  # half the rows in batches of half the size
    assert of_two.train_bytes == alone.train_bytes == train_bytes(slices)


def test_a_checkpoint_is_weighed_and_nothing_is_left(recipe, slices, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    adam = estimate(recipe, slices)
    averaged = estimate(recipe.with_values("optimizer.ema_decay", 0.9), slices)

    weights_bytes = averaged.checkpoint_bytes - adam.checkpoint_bytes
    assert adam.checkpoint_bytes == pytest.approx(3 * weights_bytes, rel=0.01)  # weights and two moments
    assert not list(tmp_path.iterdir())


def test_a_gpu_that_is_not_there_is_not_tried(recipe, slices, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(ClusterError, match=r"no GPU to try: run this as a job"):
        estimate(recipe.with_values("scaling.use_gpu", True), slices)


def test_too_little_memory_is_refused_with_what_to_lower(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"total": 6 * GB}))
    four = recipe.with_values("scaling.num_workers", 4)

    with pytest.raises(ClusterError, match=r"4 workers of 2 GB and Ray need 10 GB.*has 6 GB.*lower budget.batch_size"):
        require_room(FOUND, four, str(tmp_path))
    require_room(FOUND, four, str(tmp_path), machines=4)


def test_too_little_disk_is_refused_before_a_folder_is_made(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 3 * GB}))
    runs = tmp_path / "not" / "yet"

    with pytest.raises(
        ClusterError, match=r"checkpoints need 4 GB \(4 of 1 GB\), 3 GB are free: choose another --runs"
    ):
        require_room(FOUND, recipe, str(runs))
    assert not runs.exists()


def test_a_person_reads_where_the_rows_wait(recipe):
    assert FOUND.facts(recipe)["train side"] == "1 GB, from the workers' memory"
    assert "object store" in replace(FOUND, is_in_memory=False).facts(recipe)["train side"]
    assert FOUND.facts(recipe)["run"] == "100 s at most, 5 epochs"
