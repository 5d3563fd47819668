"""Ray Tune for real: what only trials in processes of their own, and their loss, can show."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import yaml

from glioray.data.prepared import PreparedDataset
from glioray.errors import ClusterError
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.tuning.confirm import confirm
from glioray.tuning.plan import SweepPlan, opened, plan_sweep
from glioray.tuning.result import SweepResult, write_best
from glioray.tuning.space import SearchSpace
from glioray.tuning.study import Study

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.usefixtures("shared_ray")]
SPACE = {
    "model.base_filters": {"kind": "choice", "options": [2, 4]},
    "optimizer.learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 1e-1},
}


def plan_of(recipe: Recipe, folder: Path, **search: Any) -> SweepPlan:
    search = {"trials": 4, "concurrency": 2, "resources": {"cpus": 0.5}, "space": SPACE, **search}
    return plan_sweep(SearchSpace.from_values(recipe, search), folder, "sweep")


def searched(plan: SweepPlan, say: Any = None) -> Study:
    from glioray.tuning.run import search  # imports Ray, which must find its environment set

    lock = threading.Lock()  # of a person's screen, as it were: whoever is told need not be fit for a pickle
    say = say or (lambda _: lock.locked())

    with opened(plan):
        study = Study(plan.space, plan.name, plan.storage)
        search(plan, study, say=say)
    return study


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_sweep_gives_a_recipe_that_is_confirmed_and_can_be_published(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    from glioray.training.run import train

    recipe = unet_recipe.with_values("scaling.cpus_per_worker", 0.5)
    plan = plan_of(recipe, tmp_path, scheduler={"name": "asha", "grace_epochs": 1})
    study = searched(plan)
    assert len(study.ended) == 4
    assert set(states(study)) <= {"COMPLETE", "PRUNED"}
    for trial in study.ended:
        folder = plan.trial_folder(trial.number)
        assert (folder / "bundle").exists() is (trial.state.name == "COMPLETE")
        assert list(folder.glob("checkpoint_*")) == []
    found = write_best(plan, study)
    assert found is not None
    shown: list[Any] = []
    confirmed = confirm(plan, found, train, lambda *step: shown.append(step))
    assert {one.seed for one in confirmed} == {1}
    assert confirmed[-1].test[0].split.startswith("test")
    assert ModelBundle.load(Path(confirmed[-1].folder) / "bundle").config.scores == confirmed[-1].test
    assert shown
    shown.clear()
    assert confirm(plan, found, lambda _: pytest.fail("trained again"), lambda *step: shown.append(step)) == confirmed
    assert shown == []  # the test split is not read again
    assert SweepResult.of(plan, study, confirmed).chosen is not None
    assert states(searched(plan)) == states(study)


def test_a_trial_whose_process_is_killed_goes_on_from_its_checkpoint(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    plan = plan_of(
        unet_recipe.with_values("budget.epochs", 200), tmp_path, trials=1, concurrency=1, scheduler={"name": "none"}
    )
    killer = threading.Thread(target=_kill_a_trial, args=(plan.folder,))
    killer.start()
    study = searched(plan)
    killer.join()
    assert (plan.folder / "killed").exists()
    assert states(study) == ["COMPLETE"]
    assert len(study.trials[0].intermediate_values) == 200


def test_a_trial_over_its_memory_fails_and_the_sweep_goes_on(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    filters = {"model.base_filters": {"kind": "choice", "options": [2, 128]}}
    base = unet_recipe.with_values("model.depth", 5)
    plan = plan_of(
        base, tmp_path, trials=2, space=filters, sampler={"name": "grid"}, resources={"cpus": 0.5, "memory_gb": 0.15}
    )
    study = searched(plan)
    ends = {study.settings(trial)["model.base_filters"]: trial for trial in study.ended}
    assert ends[2].state.name == "COMPLETE"
    assert ends[128].state.name == "FAIL"
    assert "takes more memory than 0.15 GB" in ends[128].user_attrs["ended"]


def test_a_trial_of_two_workers_is_placed_beside_another(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    recipe = unet_recipe.with_settings({"scaling.num_workers": 2})
    plan = plan_of(recipe, tmp_path, trials=2, resources={"cpus": 0.45}, scheduler={"name": "none"})
    study = searched(plan)
    assert states(study) == ["COMPLETE", "COMPLETE"]
    assert all(trial.user_attrs["cost"]["core_s"] > 0 for trial in study.trials)


@pytest.mark.parametrize(("num_workers", "more"), [(1, ""), (2, " or scaling.num_workers")])
def test_more_trials_than_the_cluster_has_room_for_are_refused_before_the_start(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path, num_workers: int, more: str
) -> None:
    recipe = unet_recipe.with_values("scaling.num_workers", num_workers)
    plan = plan_of(recipe, tmp_path, concurrency=500, resources={"cpus": 1})
    with pytest.raises(ClusterError, match=f"do not fit: the cluster has .*lower search.resources.cpus{more}$"):
        searched(plan)
    assert not (tmp_path / "sweep" / "trials").exists()


def test_another_start_goes_on_from_a_killed_driver(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    """No finished trial is repeated, and those that ran go on from their last checkpoint."""
    recipe = unet_recipe.with_values("budget.epochs", 25)
    search = {"trials": 5, "resources": {"cpus": 0.5}, "scheduler": {"name": "none"}, "space": SPACE}
    file = tmp_path / "unet.yaml"
    file.write_text(yaml.safe_dump({"recipe": recipe.values(), "search": search}))
    _tune_until(file, tmp_path, ended=1)
    record = {trial.number: _told(trial) for trial in _study(tmp_path).trials}
    _tune(file, tmp_path).wait(timeout=300)
    study = _study(tmp_path)
    for trial in study.trials[: len(record)]:
        params, value, epochs = record[trial.number]
        assert params.items() <= trial.params.items()  # a trial may die before all of its values are drawn
        assert value in (None, trial.value)
        assert epochs.items() <= trial.intermediate_values.items()
    assert [trial.number for trial in study.trials] == list(range(5))
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert all(sorted(trial.intermediate_values) == list(range(1, 26)) for trial in study.trials)


def _told(trial: Any) -> tuple[Any, Any, dict[int, float]]:
    return trial.params, trial.value if trial.state.is_finished() else None, trial.intermediate_values


def _tune(file: Path, folder: Path) -> subprocess.Popen[bytes]:
    main = "from glioray.cli import main; main()"
    command = [sys.executable, "-c", main, "tune", str(file), "--name", "sweep", "--sweeps", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen([*command, "--no-confirm"], env=environment, start_new_session=True)


def _tune_until(file: Path, folder: Path, ended: int) -> None:
    """Starts the command, and kills its driver once so many trials have ended and others run."""
    driver = _tune(file, folder)
    try:
        until = time.monotonic() + 200
        while time.monotonic() < until:
            time.sleep(0.25)  # to read the study takes long enough to slow the trials down
            with contextlib.suppress(Exception):
                trials = _study(folder).trials
                if sum(trial.state.is_finished() for trial in trials) >= ended and len(trials) > ended:
                    break
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    _end_group(driver.pid)


def _end_group(leader: int) -> None:
    """Ray's processes of a killed driver end by themselves; those that are left are ended here."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        left = [process for process in psutil.process_iter() if _group(process.pid) == leader]
        if not left:
            return
        time.sleep(0.5)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _group(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder / 'sweep' / 'study.db'}")


def _kill_a_trial(folder: Path) -> None:
    """Kills the process of the first trial once it has a checkpoint."""
    until = time.monotonic() + 100
    while time.monotonic() < until:
        time.sleep(0.1)
        if any((folder / "trials" / "00000").glob("checkpoint_*")):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::ImplicitFunc"):
                        process.kill()
                        (folder / "killed").touch()
                        return
