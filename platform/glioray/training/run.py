"""Trains a recipe through Ray Train: any number of workers, data from Ray Data, a run folder at the end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.train.v2.api.exceptions import TrainingFailedError
from torch import Tensor, nn

from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.data.stream import Feed, choose_feed, train_dataset
from glioray.errors import ClusterError, GliorayError
from glioray.recipe import Recipe
from glioray.training.epoch import Batch
from glioray.training.loop import fit
from glioray.training.plan import Plan
from glioray.training.record import CURVES, draw_curves, write_at_once, write_bundle, write_metrics
from glioray.training.state import read_history
from glioray.training.worker import (
    Metrics,
    Progress,
    checkpoint_name,
    checkpoints,
    epoch_seed,
    ignore_progress,
    shuffled_batches,
)

POLL_S, MOST_FAILURES = 0.25, 3
_RANK = "rank"
# glibc gives large tensors back to the system after every step and fetches them page by page in the next: measured, a
# step of a U-Net on a CPU takes 10 to 35 % longer so. Only one arena can keep them, and Ray trains in a second thread.
_KEEP_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


@dataclass(frozen=True)
class Run:
    """A finished run: the bundle of its best epoch, one row of metrics an epoch, and how it was fed."""

    bundle: Path
    history: list[Metrics]
    feeding: str


def train(plan: Plan, on_progress: Callable[[Progress], None] = ignore_progress) -> Run:
    """Trains, or goes on from the newest checkpoint; Ray must be connected.

    Args:
        plan: see `plan_run`.
        on_progress: told about twice a second where the run is.

    Raises:
        GliorayError: the cluster is too small, or a worker failed.
    """
    _require_workers(plan.recipe)
    feed = choose_feed(plan.data, plan.recipe.scaling.num_workers)
    board = ray.remote(num_cpus=0)(_Board).remote()
    _fit(_trainer(plan, feed, board), board, on_progress)
    history = read_history(checkpoints(plan.folder)[-1])
    best_epoch = int(history[-1]["best_epoch"])
    write_metrics(plan.folder, history)
    write_at_once(plan.folder / CURVES, draw_curves(history))
    best = plan.folder / checkpoint_name(best_epoch)
    return Run(write_bundle(plan.folder, plan.recipe, plan.data, best, best_epoch), history, feed.reason)


class RayWorker:
    """A worker of Ray Train; see `Worker`."""

    def __init__(self, data: PreparedDataset, seed: int, feed: Feed, folder: Path, board: Any) -> None:
        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world_size: int = context.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()
        self._data, self._seed, self._feed, self._folder, self._board = data, seed, feed, folder, board
        self._rows: dict[str, Tensor] = {}

    @property
    def train_rows(self) -> int:
        """An equal share: Ray Data drops what is over."""
        return self._data.manifest.sides["train"].rows // self.world_size

    def train_batches(self, epoch: int, batch_size: int, foreground_share: float | None) -> Iterator[Batch]:
        """This worker's share, in an order that (seed, epoch, rank) decide."""
        seed = epoch_seed(self._seed, epoch, self.rank)
        if self._feed.place == "memory":
            self._rows = self._rows or self._pull_rows()
            yield from shuffled_batches(self._rows, seed, batch_size, self.device, foreground_share)
            return
        for batch in ray.train.get_dataset_shard("train").iter_torch_batches(
            batch_size=batch_size,
            drop_last=True,
            local_shuffle_buffer_size=self._feed.shuffle_rows,
            local_shuffle_seed=seed,
            prefetch_batches=2,
        ):
            yield _typed(batch)

    def _pull_rows(self) -> dict[str, Tensor]:
        """The whole share, once; Ray Data has made the shares equal."""
        batches = ray.train.get_dataset_shard("train").iter_torch_batches(batch_size=256, device="cpu")
        parts = [_typed(batch) for batch in batches]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Every n-th row group: Ray's equal split would drop rows."""
        part = (self.rank, self.world_size)
        for batch in iterate_batches(self._data.folder, self._data.manifest, "val", batch_size, part):
            yield {name: values.to(self.device) for name, values in batch.items()}

    def wrap(self, model: nn.Module) -> nn.Module:
        """DDP where there are several workers."""
        wrapped: nn.Module = ray.train.torch.prepare_model(model)
        return wrapped

    def sum(self, values: Tensor) -> Tensor:
        """All-reduce."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)
        return values

    def show(self, progress: Progress) -> None:
        """Posts to the board, without waiting for it."""
        if self.rank == 0:
            self._board.post.remote(progress)

    def report(self, metrics: Metrics, epoch: int, checkpoint: Path | None) -> None:
        """Hands metrics and checkpoint to Ray Train, which keeps the best and the last."""
        saved = ray.train.Checkpoint.from_directory(str(checkpoint)) if checkpoint else None
        # Of equal scores Ray would keep the latest; this rises with every new best epoch and only there.
        ranked = {**metrics, _RANK: epoch if epoch == metrics["best_epoch"] else 0}
        ray.train.report(ranked, checkpoint=saved, checkpoint_dir_name=checkpoint_name(epoch))
        if self.rank == 0:
            write_metrics(self._folder, read_history(self._folder / checkpoint_name(epoch)))

    @contextlib.contextmanager
    def resume_from(self) -> Iterator[Path | None]:
        """The newest checkpoint that Ray Train knows of."""
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            yield None
        else:
            with checkpoint.as_directory() as folder:
                yield Path(folder)


def _typed(batch: Batch) -> dict[str, Tensor]:
    """Labels as the loss wants them; shards hold them in 32 bits."""
    return {name: values.long() if name == "label" else values for name, values in batch.items()}


def _work(config: dict[str, Any]) -> None:
    """What Ray Train runs on every worker."""
    recipe = Recipe.from_values(config["recipe"])
    data = PreparedDataset.open(Path(config["data"]), recipe.data.fold)
    torch.set_num_threads(_share_of_cores())
    worker = RayWorker(data, recipe.seed, config["feed"], Path(config["folder"]), config["board"])
    fit(recipe, data, worker)


def _trainer(plan: Plan, feed: Feed, board: Any) -> ray.train.torch.TorchTrainer:
    scaling = plan.recipe.scaling
    return ray.train.torch.TorchTrainer(
        _work,
        train_loop_config={
            "recipe": plan.recipe.values(),
            "data": str(plan.data.folder),
            "folder": str(plan.folder),
            "feed": feed,
            "board": board,
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=scaling.num_workers,
            use_gpu=scaling.use_gpu,
            resources_per_worker={"CPU": scaling.cpus_per_worker, **({"GPU": 1} if scaling.use_gpu else {})},
        ),
        run_config=ray.train.RunConfig(
            name=plan.folder.name,
            storage_path=str(plan.folder.parent),
            failure_config=ray.train.FailureConfig(max_failures=MOST_FAILURES),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1, checkpoint_score_attribute=_RANK),
            worker_runtime_env={"env_vars": _KEEP_MEMORY},
        ),
        datasets={"train": train_dataset(plan.data, feed)},
        dataset_config=ray.train.DataConfig(datasets_to_split=["train"]),
    )


class _Board:
    """Carries progress from rank 0 to the driver; keeps the newest step and all ends of epochs."""

    def __init__(self) -> None:
        self._ended: list[Progress] = []
        self._newest: Progress | None = None

    def post(self, progress: Progress) -> None:
        if progress.metrics is None:
            self._newest = progress
        else:
            self._ended.append(progress)
            self._newest = None

    def take(self) -> list[Progress]:
        """What came since the last call, oldest first."""
        taken = [*self._ended, *([self._newest] if self._newest else [])]
        self._ended, self._newest = [], None
        return taken


def _fit(trainer: ray.train.torch.TorchTrainer, board: Any, on_progress: Callable[[Progress], None]) -> None:
    """Runs the trainer, and meanwhile hands the board's news on."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_S):
            for progress in ray.get(board.take.remote()):
                on_progress(progress)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise _user_error(error) from error
    finally:
        done.set()
        watcher.join()
    for progress in ray.get(board.take.remote()):
        on_progress(progress)


def _user_error(error: Exception) -> GliorayError:
    """The workers' own words, where what failed is something that a user can mend."""
    causes = list(getattr(error, "worker_failures", {}).values())
    for cause in causes:
        found: BaseException | None = cause
        while found is not None:
            if isinstance(found, GliorayError):
                return type(found)(str(found))
            found = getattr(found, "_base_exc", None) or getattr(found, "cause", None) or found.__cause__
    lines = str(causes[0] if causes else error).strip().splitlines()
    return ClusterError(f"training failed: {lines[-1]}; run the same command again to go on from the last checkpoint")


def _require_workers(recipe: Recipe) -> None:
    """Refuses more than the cluster has, which Ray would wait for without end."""
    scaling, there = recipe.scaling, ray.cluster_resources()
    asked = {
        "CPU": scaling.num_workers * scaling.cpus_per_worker,
        "GPU": scaling.num_workers * scaling.use_gpu,
    }
    for kind, amount in asked.items():
        if amount > there.get(kind, 0):
            raise ClusterError(
                f"scaling asks for {amount:g} {kind} ({scaling.num_workers} workers), "
                f"the cluster has {there.get(kind, 0):g}: "
                "lower scaling.num_workers or scaling.cpus_per_worker"
                + (", or set scaling.use_gpu=false" if kind == "GPU" else "")
            )


def _share_of_cores() -> int:
    """Torch threads of this worker: the cores of its machine, shared by the workers there."""
    return max(1, len(os.sched_getaffinity(0)) // int(ray.train.get_context().get_local_world_size()))
