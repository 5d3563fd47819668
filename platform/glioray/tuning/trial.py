"""One trial: step 2 itself, in the process of the trial; plain torch, so that a test or a benchmark runs it too."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioray.data.prepared import PreparedDataset, iterate_batches, load_side
from glioray.errors import DivergedError, FullDiskError, GliorayError
from glioray.models._contract import num_parameters
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.registry.run_folder import BUNDLE
from glioray.serving.predictor import Predictor
from glioray.training.checkpoints import checkpoint_name, checkpoints, full_disk_told, say_to_log
from glioray.training.epoch import Batch
from glioray.training.finished import write_best
from glioray.training.loop import fit
from glioray.training.memory import memory_limited, memory_told
from glioray.training.news import Metrics
from glioray.training.record import best_row, open_run, read_metrics, write_metrics
from glioray.training.state import read_history
from glioray.training.worker import LocalWorker

Rows = Mapping[str, NDArray[np.generic]]
Sides = Mapping[str, Rows]
NOT_A_NUMBER = "the loss was not a number"
LATENCY_ROUNDS = 7


@dataclass(frozen=True)
class Trial:
    """What is trained and where it lies; the folder is that of a run."""

    number: int
    recipe: Recipe
    data: PreparedDataset
    folder: Path
    threads: int = 1
    memory_gb: float | None = None
    metric: tuple[str, ...] = ("score",)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: complete with figures, or stopped, failed or interrupted for a reason.

    An interrupted one can go on from its last checkpoint: what stood in its way was not of its settings.
    """

    kind: Literal["complete", "stopped", "failed", "interrupted"]
    figures: Metrics | None = None
    reason: str = ""

    @classmethod
    def of(cls, work: Callable[[], Metrics]) -> Outcome:
        """What work came to; what it raises is an outcome like others, so that the search goes on."""
        try:
            return cls("complete", work())
        except DivergedError as error:
            return cls("stopped", reason=f"{NOT_A_NUMBER}: {error}")
        except FullDiskError as error:
            return cls("interrupted", reason=str(error))
        except GliorayError as error:
            return cls("failed", reason=str(error))
        except Exception as error:
            return cls("failed", reason=f"{type(error).__name__}: {error}")


def run_trial(trial: Trial, sides: Sides | None, tell: Callable[[Metrics], None]) -> Outcome:
    """Trains in this process, or goes on from the newest checkpoint.

    Args:
        trial: says what.
        sides: rows of train and val that other trials share; none reads them from the shards.
        tell: told the figures of every epoch; may raise SystemExit to end the trial.
    """
    torch.set_num_threads(trial.threads)

    def run() -> Metrics:
        if not (trial.folder / BUNDLE).exists():
            with full_disk_told(trial.folder):
                _train(trial, sides, tell)
        return figures(trial)

    return Outcome.of(run)


def _train(trial: Trial, sides: Sides | None, tell: Callable[[Metrics], None]) -> None:
    open_run(trial.folder, trial.recipe, trial.data)
    if trial.memory_gb is not None:
        _import_all()
    with memory_limited(trial.memory_gb), memory_told():
        fit(trial.recipe, trial.data, _worker(trial, sides, tell))
    _finish(trial)


def _import_all() -> None:
    """Before memory is counted: what training imports where it is used is the same in each trial, and not its own."""
    for name in ("glioray._torchvision", "monai.losses"):
        importlib.import_module(name)


def figures(trial: Trial) -> Metrics:
    """Of a complete trial: those of its best epoch, and what the search may ask for besides.

    Returns:
        `score`, `val/loss`, `parameters`, `answer_ms` where it is asked for, and what `epoch_figures` says of the last
        epoch.
    """
    history = read_metrics(trial.folder)
    bundle = ModelBundle.load(trial.folder / BUNDLE)
    best = best_row(history)
    return {
        **epoch_figures(history),
        "score": best["score"],
        "val/loss": best["val/loss"],
        "best_epoch": best["epoch"],
        "parameters": float(num_parameters(bundle.build())),
        **({"answer_ms": _answer_ms(bundle, trial.data)} if "answer_ms" in trial.metric else {}),
    }


def epoch_figures(history: list[Metrics]) -> Metrics:
    """Of the newest epoch, with the seconds and core-seconds of all."""
    newest = history[-1]
    return {
        "epoch": newest["epoch"],
        "score": newest["score"],
        "val/loss": newest["val/loss"],
        "best_score": best_row(history)["score"],
        "seconds": sum(row["epoch_s"] for row in history),
        "core_s": sum(row.get("core_s", row["epoch_s"]) for row in history),
    }


def rows_of(data: PreparedDataset) -> Sides:
    """Train and val in memory, as `run_trial` takes them."""
    sides = ("train", "val")
    return {
        side: {name: values.numpy() for name, values in load_side(data.folder, data.manifest, side).items()}
        for side in sides
    }


@dataclass
class _Worker(LocalWorker):
    """A local worker whose rows are shared with other trials, and who tells each epoch."""

    sides: Sides | None = None
    tell: Callable[[Metrics], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        if self.sides is None:
            super().__post_init__()
        else:
            self._rows = _tensors(self.sides["train"])
        self._core_s = time.process_time()

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows, in the order of the shards."""
        if self.sides is None:
            yield from super().validation_batches(batch_size)
            return
        rows = _tensors(self.sides["val"])
        for start in range(0, len(rows["image"]), batch_size):
            yield {name: values[start : start + batch_size].to(self.device) for name, values in rows.items()}

    def measured(self) -> Metrics:
        """Core-seconds of the epoch."""
        before, self._core_s = self._core_s, time.process_time()
        return {"core_s": self._core_s - before}

    def report(self, metrics: Metrics, epoch: int, checkpoint: Path | None) -> None:
        """Keeps the checkpoint, then tells: a trial that is ended there has its epoch."""
        super().report(metrics, epoch, checkpoint)
        history = read_history(self.folder / checkpoint_name(epoch))
        write_metrics(self.folder, history)
        self.tell(epoch_figures(history))

    @contextlib.contextmanager
    def resume_from(self) -> Iterator[Path | None]:
        """Tells the epoch again that it goes on from: its word may have been lost with the driver."""
        with super().resume_from() as checkpoint:
            if checkpoint is not None:
                self.tell(epoch_figures(read_history(checkpoint)))
            yield checkpoint


def _worker(trial: Trial, sides: Sides | None, tell: Callable[[Metrics], None]) -> _Worker:
    device = torch.device("cuda" if trial.recipe.scaling.use_gpu else "cpu")
    return _Worker(trial.data, trial.folder, trial.recipe.seed, device, sides=sides, tell=tell)


def _finish(trial: Trial) -> None:
    """The bundle of the best epoch in place of the checkpoints."""
    write_best(trial.folder, trial.recipe, trial.data, say_to_log)
    for checkpoint in checkpoints(trial.folder):
        shutil.rmtree(checkpoint)


def _tensors(rows: Rows) -> dict[str, Tensor]:
    """Without a copy; they are read only, and nothing here writes to them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return {name: torch.from_numpy(values) for name, values in rows.items()}


def _answer_ms(bundle: ModelBundle, data: PreparedDataset) -> float:
    """Of one image on a core of this machine, the median of some."""
    predictor = Predictor.load(bundle, "cpu")
    image = next(iterate_batches(data.folder, data.manifest, "val", 1))["image"]
    predictor.predict(image)
    seconds = []
    for _ in range(LATENCY_ROUNDS):
        started_at = time.perf_counter()
        predictor.predict(image)
        seconds.append(time.perf_counter() - started_at)
    return 1000 * statistics.median(seconds)
