"""Whether a network can score above chance on labels that mean nothing: on an honest split it cannot.

Every group of copies is given a label at random, all its images the same one. A network learns these labels by heart.
On groups that it has not seen it must land at chance; where images were split one by one, copies of what it learned
stand in the test side, and it scores above.

Source: Yagis 2021, doi:10.1038/s41598-021-01681-w, where slices of patients took the place of copies.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioray.audit.result import RandomLabels, RandomLine
from glioray.audit.scores import scores_by_group
from glioray.data.prepared import PreparedDataset
from glioray.data.preprocessing import normalize
from glioray.data.progress import OnProgress
from glioray.data.shards import read_columns, read_rows
from glioray.data.split import SPLITS
from glioray.errors import DataError
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.training.checkpoints import checkpoints
from glioray.training.epoch import Batch
from glioray.training.loop import fit
from glioray.training.news import Progress
from glioray.training.state import MODEL
from glioray.training.worker import LocalWorker

MOST_TRAIN, MOST_VAL, MOST_TEST = 800, 64, 1000
BATCH_SIZE = 16
BATCH = 64  # images answered at once
LEARNING_RATE = 1e-3
SHOWN = 256  # training images on which is measured how far they were learned by heart
SIDES = ("train", "val", "test")
Rows = dict[str, Tensor]


@dataclass(frozen=True)
class _Sample:
    """Some images of each side with their random labels."""

    images: Tensor
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    sides: NDArray[np.str_]

    def rows(self, side: str) -> Rows:
        """As the loop takes them."""
        mine = np.flatnonzero(self.sides == side)
        return {"image": self.images[mine], "label": torch.from_numpy(self.labels[mine])}

    def by_image(self, seed: int) -> _Sample:
        """The same images and labels, dealt one by one to sides of the same sizes."""
        order = np.random.default_rng(seed).permutation(len(self.sides))
        return _Sample(self.images, self.labels, self.groups, self.sides[order])


@dataclass
class _Worker(LocalWorker):
    """A local worker with rows of its own in the place of the shards."""

    train: Rows = field(default_factory=dict)
    val: Rows = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = self.train

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        for start in range(0, len(self.val["image"]), batch_size):
            yield {name: values[start : start + batch_size].to(self.device) for name, values in self.val.items()}


def random_labels(folder: Path, epochs: int, seed: int, on_progress: OnProgress | None = None) -> RandomLabels:
    """Trains twice on random labels, on the folder's own split and on one by image, and scores both.

    Args:
        folder: prepared for classification.
        epochs: of each training.
        seed: of the labels, the images that are taken, and the training.
        on_progress: called with (stage, done, total).

    Raises:
        DataError: the folder is prepared for something else, or too small.
        ModelError: its images are too small for the network.
    """
    data = PreparedDataset.open(folder)
    if data.manifest.contents.task != "classification":
        raise DataError(
            f"{folder}: prepared for {data.manifest.contents.task}; random labels are for classification, where an "
            "image has one label. Leave out --random-labels."
        )
    if data.manifest.settings.folds is not None:
        data = PreparedDataset.open(folder, fold=0)
    sample = _sample(data, seed)
    recipe = _recipe(data, epochs, seed, int((sample.sides == "train").sum()))
    kind = SPLITS[data.manifest.settings.split]
    leak = str(data.manifest.leak) if data.manifest.leak else None
    by_image = sample.by_image(seed)
    return RandomLabels(
        chance=1 / len(data.manifest.contents.classes),
        classes=len(data.manifest.contents.classes),
        epochs=epochs,
        by_group=_line(data, recipe, sample, kind, leak, on_progress),
        by_image=_line(data, recipe, by_image, "split by image", _leak(by_image), on_progress),
    )


def _sample(data: PreparedDataset, seed: int) -> _Sample:
    """Whole groups drawn at random, up to so many images a side."""
    generator = np.random.default_rng(seed)
    num_classes = data.signature.out_channels
    images: list[Tensor] = []
    groups: list[str] = []
    sides: list[str] = []
    label_of: dict[str, int] = {}
    for side, most in zip(SIDES, (MOST_TRAIN, MOST_VAL, MOST_TEST), strict=True):
        ids = read_columns(data.folder, data.manifest, side, ["group_id"])["group_id"]
        names = np.array([data.manifest.whole_group(name) for name in ids])
        wanted = _whole_groups(names, most, generator)
        found = read_rows(data.folder, data.manifest, side, wanted)
        images += [torch.from_numpy(np.array(found[number]["image"])) for number in wanted]
        groups += names[wanted].tolist()
        sides += [side] * len(wanted)
        new = [name for name in names[wanted].tolist() if name not in label_of]
        label_of |= deal_labels(new, num_classes, generator)
    labels = np.array([label_of[group] for group in groups], dtype=np.int64)
    return _Sample(torch.stack(images), labels, np.array(groups), np.array(sides))


def _whole_groups(names: NDArray[np.str_], most: int, generator: np.random.Generator) -> list[int]:
    """Rows of groups in a random order, as long as they fit; at least one group."""
    wanted: list[int] = []
    for group in generator.permutation(np.unique(names)):
        rows = np.flatnonzero(names == group).tolist()
        if not wanted or len(wanted) + len(rows) <= most:
            wanted += rows
    return sorted(wanted)


def deal_labels(groups: Sequence[str], num_classes: int, generator: np.random.Generator) -> dict[str, int]:
    """A label a group, so that each label has as many images of the side as any other: chance is 1 / K."""
    sizes = Counter(groups)
    names = sorted(sizes)
    totals = [0] * num_classes
    labels = {}
    for index in sorted(generator.permutation(len(names)).tolist(), key=lambda index: -sizes[names[index]]):
        group = names[index]
        fewest = [label for label, total in enumerate(totals) if total == min(totals)]
        labels[group] = int(generator.choice(fewest))
        totals[labels[group]] += sizes[group]
    return labels


def _recipe(data: PreparedDataset, epochs: int, seed: int, train_images: int) -> Recipe:
    """A small network that nothing keeps from learning by heart: no augmentation, no dropout, no decay."""
    augmentation = {"horizontal_flip": 0.0, "rotation_degrees": 0.0}
    values = {
        "task": "classification",
        "data": {"path": str(data.folder)},
        "model": {"name": "custom_cnn", "dropout": 0.0},
        "optimizer": {"name": "adamw", "learning_rate": LEARNING_RATE, "weight_decay": 0.0, "clip_norm": 1.0},
        "augmentation": augmentation,
        "loss": {},
        "budget": {"epochs": epochs, "batch_size": min(BATCH_SIZE, train_images)},
        "seed": seed,
    }
    return Recipe.from_values(values, "random labels")


def _line(
    data: PreparedDataset,
    recipe: Recipe,
    sample: _Sample,
    split: str,
    leak: str | None,
    on_progress: OnProgress | None,
) -> RandomLine:
    """Trains through the loop of every run, then answers the test side with what it came to."""

    def show(progress: Progress) -> None:
        if on_progress is not None and progress.metrics:
            on_progress(f"random labels, {split}", progress.epoch, progress.epochs)

    train, test = sample.rows("train"), sample.rows("test")
    with tempfile.TemporaryDirectory() as folder:
        fit(
            recipe,
            data,
            _Worker(data, Path(folder), recipe.seed, on_progress=show, train=train, val=sample.rows("val")),
        )
        model = build_network(recipe, data.manifest.contents, data.signature)
        model.load_state_dict(safetensors.torch.load_file(checkpoints(Path(folder))[-1] / MODEL))
    model.eval()
    shown = {name: values[:SHOWN] for name, values in train.items()}
    scores = scores_by_group(
        test["label"].numpy(),
        _answers(model, test["image"], data),
        sample.groups[sample.sides == "test"].tolist(),
        data.signature.out_channels,
        f"test, {split}, labels at random",
        recipe.seed,
    )
    return RandomLine(
        split=split,
        leak=leak,
        train_images=len(train["label"]),
        test_images=len(test["label"]),
        remembered=float((_answers(model, shown["image"], data) == shown["label"].numpy()).mean()),
        accuracy=scores["accuracy"],
    )


@torch.no_grad()
def _answers(model: torch.nn.Module, images: Tensor, data: PreparedDataset) -> NDArray[np.int64]:
    """(N,) the label that the network names."""
    portions = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    named = [model(normalize(portion, data.manifest.normalization)).argmax(dim=1) for portion in portions]
    answers: NDArray[np.int64] = torch.cat(named).numpy()
    return answers


def _leak(sample: _Sample) -> str:
    """What a split by image does; val is not trained on and is named apart."""
    train, val = (set(sample.groups[sample.sides == side].tolist()) for side in ("train", "val"))
    tested = sample.groups[sample.sides == "test"].tolist()
    in_train, in_val = (sum(group in there for group in tested) for there in (train, val - train))
    line = f"leaky: {in_train} of {len(tested)} test images have a copy in training"
    return f"{line}, {in_val} more in val" if in_val else line
