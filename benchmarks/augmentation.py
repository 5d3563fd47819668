"""What augmentation costs: ours, beside torchvision's v2 transforms called on one image after the other.

    python benchmarks/augmentation.py [--rounds 3] [--json]

Batches of 64 images of 1 x 128 x 128, and of 16 images of 4 x 240 x 240 with a mask, in memory; one thread. Each line
is one set of changes with the same amounts and probabilities both ways; the ways take turns, and of each the best round
is shown, in seconds of the thread's own time, so that other work on the machine counts little. `share`: of a training
step (forward and backward, in the number format of `precision: auto`) of custom_cnn at 128 px, and of classic_unet with
16 filters at 240 px, by ours.

v2 bends by blurring noise of every pixel, ours by three points a side; both are shown at what their authors chose.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from glioray.data.augmentation import Augmentation, augment
from glioray.data.records import Signature
from glioray.models import _contract as models
from glioray.training.precision import autocast, autocast_type

import glioray._torchvision  # noqa: F401  isort: skip  # before torchvision
from torchvision import tv_tensors
from torchvision.transforms import v2

CPU = torch.device("cpu")
NONE = {"horizontal_flip": 0.0, "rotation_degrees": 0.0}
MIN_SECONDS = 0.3
SETTINGS = {
    "flips": {"horizontal_flip": 0.5, "vertical_flip": 0.5, "rotation_degrees": 0},
    "flips, turns (the default)": {},
    "flips, turns, size, brightness, contrast": {"scale": 0.1, "brightness": 0.1, "contrast": 0.1},
    "turns, size, shift": {**NONE, "rotation_degrees": 15, "scale": 0.2, "shift": 0.1},
    "elastic": {**NONE, "elastic": 0.02, "elastic_probability": 1},
    "gamma": {**NONE, "gamma": 0.5},
    "noise": {**NONE, "noise": 0.1, "noise_probability": 1},
    "blur": {**NONE, "blur_px": 1, "blur_probability": 1},
    "cut-out": {**NONE, "cut_out": 1},
    "all, each seldom (as nnU-Net)": {
        "vertical_flip": 0.5, "rotation_degrees": 30, "scale": 0.3, "shift": 0.1, "move_probability": 0.2,
        "elastic": 0.02, "elastic_probability": 0.1, "brightness": 0.25, "contrast": 0.25, "gamma": 0.5,
        "gray_probability": 0.15, "noise": 0.1, "blur_px": 1, "cut_out": 0.1,
    },
}  # fmt: skip


def main() -> None:
    """Measures every line for both shapes, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {shape: measure(batch, step, options.rounds) for shape, (batch, step) in cases().items()}
    if options.json:
        print(json.dumps(found))
        return
    for shape, lines in found.items():
        print(f"{shape:<44}{'v2, images/s':>14}{'ours':>10}{'ratio':>8}{'ms an image':>13}{'share':>8}")
        for name, line in lines.items():
            ratio = line["ours"] / line["row_by_row"]
            print(
                f"  {name:<42}{line['row_by_row']:>14,.0f}{line['ours']:>10,.0f}{ratio:>8.1f}"
                f"{1e3 / line['ours']:>13.3f}{line['share']:>8.1%}"
            )


def cases() -> dict[str, tuple[dict[str, Tensor], float]]:
    """Batches, and the seconds an image of a training step on them."""
    torch.manual_seed(0)
    gray = {"image": torch.randint(0, 256, (64, 1, 128, 128), dtype=torch.uint8)}
    scans = {
        "image": torch.randint(0, 256, (16, 4, 240, 240), dtype=torch.uint8),
        "mask": torch.randint(0, 4, (16, 240, 240), dtype=torch.uint8),
    }
    return {
        "1 x 128 x 128, step of custom_cnn": (gray, step_s("custom_cnn", Signature(1, 4, 128), 64)),
        "4 x 240 x 240, step of classic_unet": (scans, step_s("classic_unet", Signature(4, 3, 240), 4)),
    }


def step_s(name: str, signature: Signature, rows: int) -> float:
    """Seconds of forward and backward for an image."""
    network = models.build(models.load(name).Config(name=name), signature).to(memory_format=torch.channels_last)
    pixels = torch.randn(rows, signature.in_channels, signature.image_size, signature.image_size)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    dtype = autocast_type("auto", CPU)

    def step() -> None:
        with autocast(dtype, CPU):
            logits = network(pixels)
        logits.float().square().mean().backward()

    step()
    return min(seconds(step) for _ in range(3)) / rows


def measure(batch: dict[str, Tensor], one_step_s: float, rounds: int) -> dict[str, dict[str, float]]:
    """Of each line images a second both ways, and the share of a step that ours adds."""
    found = {}
    for name, values in SETTINGS.items():
        settings = Augmentation(**values)
        ways = {
            "row_by_row": partial(row_by_row, batch, transform_of(settings)),
            "ours": partial(augment, batch, settings),
        }
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(rounds):
            for way, call in ways.items():
                best[way] = min(best[way], seconds(call))
        rows = len(batch["image"])
        found[name] = {way: rows / took for way, took in best.items()}
        found[name]["share"] = best["ours"] / rows / one_step_s
    return found


def seconds(call: Callable[[], object]) -> float:
    """The least of the thread's time for a call, of those within a moment."""
    least, until = float("inf"), time.perf_counter() + MIN_SECONDS
    while time.perf_counter() < until:
        started_at = time.thread_time()
        call()
        least = min(least, time.thread_time() - started_at)
    return least


def row_by_row(batch: dict[str, Tensor], transform: v2.Transform) -> dict[str, Tensor]:
    """How glioray did it first: one transform, called with an image and its mask."""
    wrapped = {"image": tv_tensors.Image, "mask": tv_tensors.Mask}
    rows = [
        transform({name: wrapped[name](values[row]) for name, values in batch.items()})
        for row in range(len(batch["image"]))
    ]
    return {name: torch.stack([row[name].as_subclass(Tensor) for row in rows]) for name in batch}


def transform_of(settings: Augmentation) -> v2.Transform:
    """torchvision's transforms of the same amounts, or ours of one image where it takes 1 or 3 channels only."""
    steps: list[v2.Transform] = [
        v2.RandomHorizontalFlip(settings.horizontal_flip), v2.RandomVerticalFlip(settings.vertical_flip),
    ]  # fmt: skip
    if settings.rotation_degrees or settings.scale or settings.shift:
        size, shift = (1 - settings.scale, 1 + settings.scale), (settings.shift, settings.shift)
        bilinear = v2.InterpolationMode.BILINEAR
        affine = v2.RandomAffine(settings.rotation_degrees, shift, size, interpolation=bilinear)
        steps.append(v2.RandomApply([affine], settings.move_probability))
    if settings.elastic:
        steps.append(v2.RandomApply([v2.ElasticTransform()], settings.elastic_probability))
    if settings.blur_px:
        blur = v2.GaussianBlur(7, (0.05, settings.blur_px))
        steps.append(v2.RandomApply([blur], settings.blur_probability))
    if settings.brightness or settings.contrast or settings.gamma:
        gray = Gray(settings.brightness, settings.contrast, settings.gamma)
        steps.append(v2.RandomApply([gray], settings.gray_probability))
    if settings.noise:
        steps.append(v2.RandomApply([v2.GaussianNoise(sigma=settings.noise)], settings.noise_probability))
    if settings.cut_out:
        steps.append(Erase(settings.cut_out, (0.02, settings.cut_out_area)))
    return v2.Compose(steps)


class Gray(v2.Transform):  # type: ignore[misc]
    """Brightness, contrast and gamma of one image."""

    def __init__(self, brightness: float, contrast: float, gamma: float) -> None:
        super().__init__()
        self.limits = torch.tensor([brightness, contrast, gamma])

    def transform(self, inpt: Tensor, params: dict[str, Tensor]) -> Tensor:
        del params
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        brightness, contrast, gamma = ((2 * torch.rand(3) - 1) * self.limits + 1).tolist()
        pixels = inpt.as_subclass(Tensor)
        if self.limits[:2].any():
            values = pixels.float()
            mean = values.mean()
            values = ((values - mean) * contrast + mean) * brightness
            pixels = values.round().clamp(0, 255).to(torch.uint8)
        if self.limits[2]:
            pixels = v2.functional.adjust_gamma(pixels, gamma)
        return tv_tensors.Image(pixels)


class Erase(v2.RandomErasing):  # type: ignore[misc]
    """torchvision's, without the warning that it leaves masks alone."""

    def __init__(self, probability: float, area: tuple[float, float]) -> None:
        super().__init__(probability, area)

    def transform(self, inpt: Tensor, params: dict[str, Tensor]) -> Tensor:
        return super().transform(inpt, params) if isinstance(inpt, tv_tensors.Image) else inpt


if __name__ == "__main__":
    main()
