"""What an answer takes: parameters, bytes, and seconds as measured here."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from glioray.evaluation.comparing.result import Cost
from glioray.registry.bundle import ModelBundle
from glioray.serving.predictor import Predictor
from glioray.tasks.segmentation import Segmentation

WARM_UP, REPEATS, MOST_SECONDS = 2, 20, 3.0


def cost_of(bundle: ModelBundle, images: Tensor, device: str | torch.device) -> Cost:
    """Of a model.

    Args:
        bundle: the model.
        images: (N,C,S,S) uint8, prepared for it; they are asked one at a time, in turn.
        device: where it runs.
    """
    return Cost(
        parameters=sum(parameter.numel() for parameter in bundle.build().parameters()),
        megabytes=sum(weight.numel() * weight.element_size() for weight in bundle.weights.values()) / 1e6,
        seconds=_seconds(Predictor.load(bundle, device), images),
    )


def timed_on(device: str | torch.device) -> str:
    """Where `seconds` were measured; a processor's speed depends on how many threads it may use."""
    place = torch.device(device)
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def _seconds(predictor: Predictor, images: Tensor) -> float:
    """The least of single images, from pixels to classes or label map.

    Other work on the machine only adds to it; source: `timeit` of the standard library.
    """
    taken: list[float] = []
    begun_at = time.perf_counter()
    for turn in range(WARM_UP + REPEATS):
        image = images[turn % len(images)][None]
        started_at = time.perf_counter()
        probabilities = predictor.predict(image)  # on the CPU, so that a GPU has done its work
        if isinstance(predictor.task, Segmentation):
            predictor.label_map(probabilities)
        now = time.perf_counter()
        if turn >= WARM_UP:
            taken.append(now - started_at)
        if taken and now - begun_at > MOST_SECONDS:
            break
    return min(taken)
