"""The ways in which a network is trained and asked in `models.py`, each in a process of its own.

    plain       the earlier code's: fp32, eager, NCHW, torch's optimizer as it comes, the mean of a plain loss
    plain_bf16  the same network under bf16 autocast and with its channels last
    ours        a step of `training.epoch.train_epoch`; answers as `serving.predictor` computes them
    compiled    ours, after torch.compile

A process reads one word a line, `train` or `answer`, and writes what it did in about as many seconds as it was told.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from _plain import NAMES, plain
from torch import Tensor, nn

from glioray.data.augmentation import Augmentation
from glioray.data.manifest import Normalization
from glioray.data.preprocessing import normalize
from glioray.data.records import Contents, Signature
from glioray.models import _contract as models
from glioray.models._fold import folded
from glioray.recipe import Optimizer, Recipe
from glioray.tasks import _contract as tasks
from glioray.training.epoch import Pass, train_epoch
from glioray.training.optimizer import build_optimizer
from glioray.training.precision import autocast, autocast_type

WAYS = ("plain", "plain_bf16", "ours", "compiled")
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}


@dataclass(frozen=True)
class Setting:
    """What is measured: a network, images of its kind, how many at a time, and where."""

    model: str
    device: torch.device
    clock: Callable[[], float] = time.perf_counter

    @property
    def is_unet(self) -> bool:
        return "unet" in self.model

    @property
    def signature(self) -> Signature:
        if self.model == "timm_unet":  # halves the image once more
            return Signature(4, 3, 256)
        return Signature(4, 3, 240) if self.is_unet else Signature(3, 4, 128)

    @property
    def train_rows(self) -> int:
        """As many as fill the device; from 16 on torch takes oneDNN for all convolutions on one core, too."""
        if self.device.type == "cuda":
            return 64 if self.is_unet else 256
        return 16 if self.is_unet else 32

    @property
    def answer_rows(self) -> int:
        """On a CPU one slice, as a service is asked."""
        return self.train_rows if self.device.type == "cuda" else 1

    @property
    def recipe(self) -> Recipe:
        """Nothing but what the model's own defaults are, and images as they are."""
        task = "segmentation" if self.is_unet else "classification"
        still = Augmentation(horizontal_flip=0.0, rotation_degrees=0.0).model_dump()
        values = {"task": task, "model": {"name": self.model}, "data": {"path": "none"}, "augmentation": still}
        return Recipe.from_values(values, "benchmark")

    @property
    def contents(self) -> Contents:
        channels = tuple("abcd"[: self.signature.in_channels])
        if self.is_unet:
            return Contents(task="segmentation", channels=channels, labels=LABELS, citation="none")
        return Contents(task="classification", channels=channels, classes=CLASSES, citation="none")


@dataclass(frozen=True)
class Way:
    """One step of training, and one answer; both on images that are there already."""

    train: Callable[[], None]
    answer: Callable[[], Tensor]


def serve_way(name: str, setting: Setting, seconds: float) -> None:
    """Does what is asked for, line by line; the first line tells how long the first step took."""
    way = make_way(name, setting)
    print(json.dumps({"first_s": timed(way.train, setting) + timed(way.answer, setting)}), flush=True)
    while (work := input()) in ("train", "answer"):
        rows = setting.train_rows if work == "train" else setting.answer_rows
        elapsed = count = 0
        while elapsed < seconds:
            elapsed += timed(getattr(way, work), setting)
            count += rows
        print(json.dumps({"rate": count / elapsed}), flush=True)
    print(json.dumps({"peak_mb": peak_mb(setting.device), "peak_tflops": peak_tflops(setting)}), flush=True)


def make_way(name: str, setting: Setting) -> Way:
    torch.manual_seed(0)
    if name in ("plain", "plain_bf16"):
        return plain_way(setting, is_bf16=name == "plain_bf16")
    return our_way(setting, is_compiled=name == "compiled")


def plain_way(setting: Setting, is_bf16: bool) -> Way:
    layout = torch.channels_last if is_bf16 else torch.contiguous_format
    network = plain_network(setting).to(setting.device, memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    images = torch.randn(shape_of(setting), device=setting.device).contiguous(memory_format=layout)
    target = plain_target(setting)
    loss_of = F.binary_cross_entropy_with_logits if setting.is_unet else F.cross_entropy

    def logits(images: Tensor) -> Tensor:
        with torch.autocast(setting.device.type, torch.bfloat16, enabled=is_bf16):
            return network(images).float()

    def train() -> None:
        network.train()
        optimizer.zero_grad()
        loss_of(logits(images), target).backward()
        optimizer.step()

    @torch.no_grad()
    def answer() -> Tensor:
        network.eval()
        found = logits(images[: setting.answer_rows])
        return found.sigmoid() if setting.is_unet else found.softmax(1)

    return Way(train, answer)


def our_way(setting: Setting, is_compiled: bool) -> Way:
    recipe = setting.recipe
    network = our_network(setting).to(setting.device, memory_format=torch.channels_last)
    learner = torch.compile(network) if is_compiled else network
    optimizer = build_optimizer(network, Optimizer())
    task = tasks.build(setting.contents, recipe.loss, 1)
    channels = setting.signature.in_channels
    normalization = Normalization(mean=(60.0,) * channels, std=(50.0,) * channels)
    dtype = autocast_type("auto", setting.device)
    settings = Pass(task, normalization, setting.device, dtype, recipe.augmentation)
    batch = our_batch(setting)
    asked = folded(network)

    @torch.inference_mode()
    def answer() -> Tensor:
        pixels = batch["image"][: setting.answer_rows].contiguous(memory_format=torch.channels_last)
        with autocast(dtype, setting.device):
            logits = asked(normalize(pixels, normalization))
        return task.probabilities(logits).float()

    def train() -> None:
        train_epoch(learner.train(), optimizer, [batch], settings)

    return Way(train, answer)


def plain_network(setting: Setting) -> nn.Module:
    """As first written down; what comes out of timm is the same in both ways."""
    channels, outputs = setting.signature.in_channels, setting.signature.out_channels
    return plain(setting.model, channels, outputs) if setting.model in NAMES else our_network(setting)


def our_network(setting: Setting) -> nn.Module:
    outputs = tasks.num_outputs(setting.contents, setting.recipe.loss)
    return models.build(setting.recipe.model, replace(setting.signature, out_channels=outputs))


def shape_of(setting: Setting) -> tuple[int, ...]:
    size_px = setting.signature.image_size
    return setting.train_rows, setting.signature.in_channels, size_px, size_px


def plain_target(setting: Setting) -> Tensor:
    if not setting.is_unet:
        return torch.randint(len(CLASSES), (setting.train_rows,), device=setting.device)
    rows, _, height, width = shape_of(setting)
    return (torch.rand(rows, len(LABELS), height, width, device=setting.device) > 0.9).float()


def our_batch(setting: Setting) -> dict[str, Tensor]:
    """As shards give it."""
    rows, _, height, width = shape_of(setting)
    values = {"image": torch.randint(256, shape_of(setting), dtype=torch.uint8)}
    if setting.is_unet:
        values["mask"] = torch.tensor([0, *LABELS.values()], dtype=torch.uint8)[torch.randint(4, (rows, height, width))]
        values["patient_index"] = torch.zeros(rows, dtype=torch.int64)
    else:
        values["label"] = torch.randint(len(CLASSES), (rows,))
    return {name: value.to(setting.device) for name, value in values.items()}


def timed(work: Callable[[], object], setting: Setting) -> float:
    started_at = setting.clock()
    work()
    if setting.device.type == "cuda":
        torch.cuda.synchronize()
    return setting.clock() - started_at


def peak_mb(device: torch.device) -> float:
    """The most memory that torch held on a GPU, or the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def peak_tflops(setting: Setting) -> float:
    """What a large product of matrices in bf16 reaches here, the best of ten."""
    size = 8192 if setting.device.type == "cuda" else 2048
    left, right = torch.randn(2, size, size, dtype=torch.bfloat16, device=setting.device)
    return 2 * size**3 / min(timed(lambda: left @ right, setting) for _ in range(10)) / 1e12


def train_gflop(setting: Setting) -> float:
    """Floating point operations of a training step for one image: three times those of the plain network's answer.

    torch counts the backward pass of a depthwise convolution as if it were dense.
    """
    from torch.utils.flop_counter import FlopCounterMode

    network = plain_network(setting).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.randn(1, *shape_of(setting)[1:]))
    return 3 * counter.get_total_flops() / 1e9
