"""What Ray costs an epoch: the same training in a plain torch loop, in our loop without Ray, and through Ray Train.

    python benchmarks/overhead.py [DATA] [--recipe search_spaces/custom_cnn.yaml] [--epochs 5] [--json]

DATA is a prepared folder; without one a phantom is made. All ways do the same arithmetic. An epoch is everything from
one end to the next: the train pass, the val pass and, in our loop, the checkpoint, which the plain loop does without.
The first epoch is left out. Machines drift, so the plain loop is run before and after each of the others, and a ratio
is to the mean of the two. `epoch_ratio` is Ray Train with one worker.

Beside the clock, which shares the machine with others, the table gives core-seconds an epoch: those of the processes
that train, and those of all other processes, which in Ray are its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import torch
from torch import nn

from glioray.cluster import connect
from glioray.data.augmentation import augment
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset, load_side
from glioray.data.preprocessing import normalize
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.tasks import _contract as tasks
from glioray.tasks.clean_up import with_clean_up
from glioray.training.average import MovingAverage
from glioray.training.loop import fit
from glioray.training.news import Progress
from glioray.training.optimizer import build_optimizer
from glioray.training.plan import plan_run
from glioray.training.precision import autocast, autocast_type
from glioray.training.worker import LocalWorker

CPU = torch.device("cpu")


class EndsOfEpochs:
    """Seconds and core-seconds from one end of an epoch to the next, as the caller sees them."""

    def __init__(self) -> None:
        self.started_at = time.perf_counter()
        self.ends: list[float] = []
        self._busy: list[tuple[float, float]] = []

    def __call__(self, progress: Progress) -> None:
        if progress.metrics:
            self.end()

    def end(self) -> None:
        self.ends.append(time.perf_counter())
        self._busy.append((training_core_s(), machine_core_s()))

    @property
    def core_s(self) -> tuple[float, float]:
        """An epoch's, without the first: of the processes that train, and of all others."""
        training, machine = (
            (last - first) / (len(self.ends) - 1) for first, last in zip(self._busy[0], self._busy[-1], strict=True)
        )
        return training, machine - training

    @property
    def epoch_s(self) -> float:
        """The median without the first."""
        return statistics.median(end - start for start, end in itertools.pairwise(self.ends))

    @property
    def first_s(self) -> float:
        return self.ends[0] - self.started_at


def training_core_s() -> float:
    """Of Ray Train's workers below this process; of this process where there are none."""
    here = psutil.Process()
    workers = [child for child in here.children(recursive=True) if _is_worker(child)]
    return sum(sum(process.cpu_times()[:2]) for process in workers or [here])


def _is_worker(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[:1] != [] and process.cmdline()[0].startswith("ray::RayTrainWorker")
    except psutil.Error:  # it has ended meanwhile
        return False


def machine_core_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def plain(recipe: Recipe, data: PreparedDataset) -> EndsOfEpochs:
    """What anybody would write: tensors in memory, a permutation, a step a batch, a pass over val; nothing is saved."""
    train, val = (load_side(data.folder, data.manifest, side) for side in ("train", "val"))
    torch.manual_seed(recipe.seed)
    model = build_network(recipe, data.manifest.contents, data.signature).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, recipe.optimizer)
    task = with_clean_up(
        tasks.build(data.manifest.contents, recipe.loss, len(data.split.patients)), recipe.answer.smallest_part_px
    )
    average = MovingAverage(model, recipe.optimizer.ema_decay) if recipe.optimizer.ema_decay else None
    dtype, size = autocast_type(recipe.precision, CPU), recipe.budget.batch_size

    def logits_of(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        images = normalize(batch["image"], data.manifest.normalization).contiguous(memory_format=torch.channels_last)
        with autocast(dtype, CPU):
            return model(images).float()

    clock = EndsOfEpochs()
    for _ in range(recipe.budget.epochs):
        model.train()
        order = torch.randperm(len(train["image"]))
        for start in range(0, len(order) - size + 1, size):
            index = order[start : start + size]
            batch = augment({name: values[index] for name, values in train.items()}, recipe.augmentation)
            optimizer.zero_grad(set_to_none=True)
            task.loss(logits_of(model, batch), batch).backward()
            if recipe.optimizer.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.optimizer.clip_norm)
            optimizer.step()
            if average:
                average.update(model)
        answering = average.model if average else model
        answering.eval()
        with torch.no_grad():
            for start in range(0, len(val["image"]), size):
                batch = {name: values[start : start + size] for name, values in val.items()}
                logits = logits_of(answering, batch)
                task.counts(task.probabilities(logits), batch)
                task.loss(logits, batch)
        clock.end()
    return clock


def local(recipe: Recipe, data: PreparedDataset, folder: Path) -> EndsOfEpochs:
    clock = EndsOfEpochs()
    fit(recipe, data, LocalWorker(data, folder, recipe.seed, on_progress=clock))
    return clock


def through_ray(recipe: Recipe, num_workers: int, runs: Path) -> EndsOfEpochs:
    scaled = recipe.with_settings({"scaling.num_workers": num_workers, "scaling.cpus_per_worker": 0.9})
    with connect("local", dashboard=True):
        from glioray.training.run import train

        clock = EndsOfEpochs()
        train(plan_run(scaled, runs, f"workers-{num_workers}"), clock)
    return clock


def phantom(folder: Path, recipe: Recipe) -> PreparedDataset:
    write_phantom(folder / "raw", PhantomSettings(num_patients=128, image_size=128, num_slices=24))
    return prepare("phantom", folder / "raw", folder / "data", PrepareOptions(task=recipe.task, image_size=128))


def measure(
    recipe: Recipe, data: PreparedDataset, folder: Path
) -> dict[str, tuple[EndsOfEpochs, tuple[EndsOfEpochs, EndsOfEpochs]]]:
    """Of each way its clock, and those of the plain loop just before and just after it."""
    recipe = recipe.with_values("data.path", str(data.folder))
    (folder / "local").mkdir()
    ways = {
        "our loop, no Ray": lambda: local(recipe, data, folder / "local"),
        "Ray Train, 1 worker": lambda: through_ray(recipe, 1, folder / "runs"),
        "Ray Train, 2 workers": lambda: through_ray(recipe, 2, folder / "runs"),
    }
    found, before = {}, plain(recipe, data)
    for name, way in ways.items():
        clock, after = way(), plain(recipe, data)
        found[name] = clock, (before, after)
        before = after
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("search_spaces/custom_cnn.yaml"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    recipe = Recipe.from_yaml(arguments.recipe).with_values("budget.epochs", arguments.epochs)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data = PreparedDataset.open(arguments.data) if arguments.data else phantom(folder, recipe)
        found = measure(recipe, data, folder)
    rows = data.manifest.sides["train"].rows
    lines = {name: line(clock, *around) for name, (clock, around) in found.items()}
    if arguments.json:
        one, two = lines["Ray Train, 1 worker"], lines["Ray Train, 2 workers"]
        result = {
            "epoch_ratio": one["ratio"],
            "epoch_ratio_2_workers": two["ratio"],
            "epoch_ratio_without_ray": lines["our loop, no Ray"]["ratio"],
            "core_ratio": one["core_ratio"],
            "ways": lines,
            "rows": rows,
            "model": recipe.model.name,
        }
        print(json.dumps(result))
        return
    print(f"{recipe.model.name}, {rows} training images, {arguments.epochs} epochs, {torch.get_num_threads()} cores")
    print(f"{'':<22}{'an epoch':>10}{'plain':>9}{'ratio':>8}{'core-s':>9}{'plain':>9}{'ratio':>8}", end="")
    print(f"{'core-s of others':>18}{'first epoch ends after':>24}")
    for name, way in lines.items():
        print(f"{name:<22}{way['epoch_s']:>8.2f} s{way['plain_s']:>7.2f} s{way['ratio']:>8.3f}", end="")
        print(f"{way['core_s']:>9.2f}{way['plain_core_s']:>9.2f}{way['core_ratio']:>8.3f}", end="")
        print(f"{way['others_core_s']:>18.2f}{way['first_s']:>22.1f} s")


def line(clock: EndsOfEpochs, before: EndsOfEpochs, after: EndsOfEpochs) -> dict[str, float]:
    """One way beside the plain loop, which is the mean of before and after."""
    plain_s = (before.epoch_s + after.epoch_s) / 2
    plain_core_s = (before.core_s[0] + after.core_s[0]) / 2
    figures = {
        "epoch_s": clock.epoch_s,
        "plain_s": plain_s,
        "ratio": clock.epoch_s / plain_s,
        "core_s": clock.core_s[0],
        "plain_core_s": plain_core_s,
        "core_ratio": clock.core_s[0] / plain_core_s,
        "others_core_s": clock.core_s[1],
        "first_s": clock.first_s,
    }
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    main()
