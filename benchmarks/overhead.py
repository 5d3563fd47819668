"""What Ray costs an epoch: the same training in a plain torch loop, in our loop without Ray, and through Ray Train.

    python benchmarks/overhead.py [DATA] [--recipe search_spaces/custom_cnn.yaml] [--epochs 5] [--json]

DATA is a prepared folder; without one a phantom is made. All ways do the same arithmetic. An epoch is everything from
one end to the next: the train pass, the val pass and, in our loop, the checkpoint, which the plain loop does without.
The first epoch is left out. Machines drift, so the plain loop is run before and after each of the others, and a ratio
is to the mean of the two. `epoch_ratio` is Ray Train with one worker.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path

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
from glioray.training.optimizer import build_optimizer
from glioray.training.plan import plan_run
from glioray.training.precision import autocast, autocast_type
from glioray.training.worker import LocalWorker, Progress

CPU = torch.device("cpu")


class EndsOfEpochs:
    """Seconds from one end of an epoch to the next, as the caller sees them."""

    def __init__(self) -> None:
        self.started_at = time.perf_counter()
        self.ends: list[float] = []

    def __call__(self, progress: Progress) -> None:
        if progress.metrics:
            self.ends.append(time.perf_counter())

    @property
    def epoch_s(self) -> float:
        """The median without the first."""
        return statistics.median(end - start for start, end in itertools.pairwise(self.ends))

    @property
    def first_s(self) -> float:
        return self.ends[0] - self.started_at


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
        clock.ends.append(time.perf_counter())
    return clock


def local(recipe: Recipe, data: PreparedDataset, folder: Path) -> EndsOfEpochs:
    clock = EndsOfEpochs()
    fit(recipe, data, LocalWorker(data, folder, recipe.seed, on_progress=clock))
    return clock


def through_ray(recipe: Recipe, num_workers: int, runs: Path) -> EndsOfEpochs:
    from glioray.training.run import train

    scaled = recipe.with_values("scaling.num_workers", num_workers).with_values("scaling.cpus_per_worker", 0.9)
    clock = EndsOfEpochs()
    train(plan_run(scaled, runs, f"workers-{num_workers}"), clock)
    return clock


def phantom(folder: Path, recipe: Recipe) -> PreparedDataset:
    write_phantom(folder / "raw", PhantomSettings(num_patients=128, image_size=128, num_slices=24))
    return prepare("phantom", folder / "raw", folder / "data", PrepareOptions(task=recipe.task, image_size=128))


def measure(recipe: Recipe, data: PreparedDataset, folder: Path) -> dict[str, tuple[EndsOfEpochs, float]]:
    """Of each way its clock, and the seconds an epoch of the plain loop, mean of just before and just after it."""
    recipe = recipe.with_values("data.path", str(data.folder))
    (folder / "local").mkdir()
    ways = {
        "our loop, no Ray": lambda: local(recipe, data, folder / "local"),
        "Ray Train, 1 worker": lambda: in_ray(recipe, 1, folder / "runs"),
        "Ray Train, 2 workers": lambda: in_ray(recipe, 2, folder / "runs"),
    }
    found, before = {}, plain(recipe, data)
    for name, way in ways.items():
        clock, after = way(), plain(recipe, data)
        found[name] = clock, (before.epoch_s + after.epoch_s) / 2
        before = after
    return found


def in_ray(recipe: Recipe, num_workers: int, runs: Path) -> EndsOfEpochs:
    with connect("local", dashboard=True):
        return through_ray(recipe, num_workers, runs)


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
    ratios = {name: clock.epoch_s / reference for name, (clock, reference) in found.items()}
    if arguments.json:
        epochs = {name: [round(clock.epoch_s, 3), round(plain_s, 3)] for name, (clock, plain_s) in found.items()}
        result = {
            "epoch_ratio": round(ratios["Ray Train, 1 worker"], 4),
            "epoch_ratio_2_workers": round(ratios["Ray Train, 2 workers"], 4),
            "epoch_ratio_without_ray": round(ratios["our loop, no Ray"], 4),
            "epoch_s_and_plain_s": epochs,
            "rows": rows,
            "model": recipe.model.name,
        }
        print(json.dumps(result))
        return
    print(f"{recipe.model.name}, {rows} training images, {arguments.epochs} epochs, {torch.get_num_threads()} cores")
    print(
        f"{'':<22}{'s an epoch':>12}{'plain loop, s':>15}{'ratio':>8}{'images/s':>10}{'first epoch ends after, s':>27}"
    )
    for name, (clock, plain_s) in found.items():
        rate = rows / clock.epoch_s
        print(
            f"{name:<22}{clock.epoch_s:>12.2f}{plain_s:>15.2f}{ratios[name]:>8.3f}{rate:>10.0f}{clock.first_s:>27.1f}"
        )


if __name__ == "__main__":
    main()
