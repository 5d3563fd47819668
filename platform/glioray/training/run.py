"""Trains a recipe through Ray Train: any number of workers, data from Ray Data, a run folder at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train.v2.api.exceptions import TrainingFailedError

from glioray.data.place import local_folder
from glioray.data.prepared import PreparedDataset
from glioray.data.stream import Feed, choose_feed, train_dataset
from glioray.recipe import Recipe
from glioray.registry.run_folder import RunFolder
from glioray.training.board import followed, open_board
from glioray.training.capacity import require_capacity
from glioray.training.checkpoints import Say, say_to_log
from glioray.training.finished import Run, finish
from glioray.training.loop import fit
from glioray.training.memory import KEEP_MEMORY, memory_told
from glioray.training.news import Progress, ignore_progress
from glioray.training.plan import Plan
from glioray.training.ray_worker import RayWorker
from glioray.training.recovery import FailurePolicy, user_error
from glioray.training.storage import require_shared_storage, storage_of
from glioray.training.worker import batch_size_per_worker

RESIZE_S = 60.0  # an elastic run looks that often for machines to grow on
_RAYS_LIST = "checkpoint_manager_snapshot.json"


def train(
    plan: Plan,
    on_progress: Callable[[Progress], None] = ignore_progress,
    say: Say = say_to_log,
) -> Run:
    """Trains, or goes on from the newest checkpoint that is sound; Ray must be connected.

    Args:
        plan: see `plan_run`.
        on_progress: told about twice a second where the run is.
        say: told in a line what a person should know: a lost worker, a damaged checkpoint, a wait for machines.

    Raises:
        GliorayError: the cluster is too small, its nodes do not share the run's folder, or a worker failed.
    """
    scaling = plan.recipe.scaling
    require_capacity(scaling)
    require_shared_storage(plan.place.place)
    # Of a run that an earlier glioray began: Ray would miss the checkpoints on it.
    (plan.folder / _RAYS_LIST).unlink(missing_ok=True)
    feed = choose_feed(plan.data, scaling.fewest_workers)
    board = open_board()
    with followed(board, scaling, on_progress, say):
        try:
            _trainer(plan, feed, board).fit()
        except TrainingFailedError as error:
            raise user_error(error) from error
    plan.place.fetch_checkpoints()
    done = finish(plan, feed.reason, say)
    plan.place.send()
    return done


def _trainer(plan: Plan, feed: Feed, board: Any) -> ray.train.torch.TorchTrainer:
    scaling = plan.recipe.scaling
    return ray.train.torch.TorchTrainer(
        _work,
        train_loop_config={
            "recipe": plan.recipe.values(),
            "data": plan.data_place,
            "place": plan.place.place,
            "feed": feed,
            "board": board,
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=(scaling.fewest_workers, scaling.num_workers) if scaling.is_elastic else scaling.num_workers,
            elastic_resize_monitor_interval_s=RESIZE_S,
            use_gpu=scaling.use_gpu,
            resources_per_worker={"CPU": scaling.cpus_per_worker, **({"GPU": 1} if scaling.use_gpu else {})},
        ),
        run_config=ray.train.RunConfig(
            **storage_of(plan.place),
            failure_config=ray.train.FailureConfig(max_failures=-1),  # the policy below decides
            callbacks=[FailurePolicy(board)],
            worker_runtime_env={"env_vars": KEEP_MEMORY},
        ),
        datasets={"train": train_dataset(plan.data, feed, plan.data_place)},
        dataset_config=ray.train.DataConfig(datasets_to_split=["train"]),
    )


def _work(config: dict[str, Any]) -> None:
    """What Ray Train runs on every worker."""
    recipe = Recipe.from_values(config["recipe"])
    data = PreparedDataset.open(local_folder(config["data"]), recipe.data.fold)
    torch.set_num_threads(_share_of_cores())
    worker = RayWorker(data, recipe.seed, config["feed"], RunFolder(config["place"]), config["board"])
    together = batch_size_per_worker(recipe, worker.world_size) * worker.world_size
    if together != recipe.budget.batch_size:
        worker.say(
            f"budget.batch_size {recipe.budget.batch_size} does not divide over {worker.world_size} workers: an update "
            f"has {together} images, {together // worker.world_size} of each"
        )
    with memory_told():
        fit(recipe, data, worker)


def _share_of_cores() -> int:
    """Torch threads of this worker: the cores of its machine, shared by the workers there."""
    return max(1, len(os.sched_getaffinity(0)) // int(ray.train.get_context().get_local_world_size()))
