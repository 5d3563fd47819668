"""What travels inside an exported file: what goes in, what comes out, and what the scores are worth."""

from __future__ import annotations

from typing import Any

import torch

import glioray
from glioray.registry.bundle import BundleConfig
from glioray.registry.card import NOT_A_DEVICE
from glioray.tasks.segmentation import THRESHOLD

SCHEMA_VERSION = 1
INPUT, OUTPUT = "pixels", "probabilities"


def about(config: BundleConfig) -> dict[str, Any]:
    """Plain values, for JSON; whoever runs the file needs no other."""
    contents, size_px = config.contents, config.signature.image_size
    outputs = output_names(config)
    pixels = [] if contents.task == "classification" else [size_px, size_px]
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": NOT_A_DEVICE,
        "synthetic": contents.synthetic,
        "task": contents.task,
        "architecture": config.architecture,
        "channels": list(contents.channels),
        "image_size_px": size_px,
        "input": {
            "name": INPUT,
            "shape": ["batch", len(contents.channels), size_px, size_px],
            "type": "float32",
            "values": "0 to 255, prepared as `preprocessing` says; normalization is inside",
        },
        "output": {"name": OUTPUT, "shape": ["batch", len(outputs), *pixels], "type": "float32", "names": outputs},
        "answer": _answer(config),
        "classes": list(contents.classes),
        "labels": contents.labels,
        "regions": {name: list(labels) for name, labels in contents.regions.items()},
        "smallest_part_px": config.smallest_part_px,
        "preprocessing": config.preprocessing.model_dump(),
        "calibration": config.calibration.model_dump() if config.calibration else None,
        "scores": [score.model_dump() for score in config.scores],
        "leak": config.leak,
        "data_fingerprint": config.data_fingerprint,
        "data_source": contents.citation,
        "versions": {"glioray": glioray.__version__, "torch": torch.__version__},
    }


def output_names(config: BundleConfig) -> list[str]:
    """The class, label or region of each output."""
    return list(config.contents.regions) if _target(config) == "regions" else list(config.contents.outputs)


def _answer(config: BundleConfig) -> str:
    """From the output to what the service says."""
    if config.contents.task == "classification":
        return "the class of the highest probability"
    rule = (
        f"of each pixel, the label that the innermost region above {THRESHOLD} adds to those inside it; else 0"
        if _target(config) == "regions"
        else f"of each pixel, the label of the highest probability where that is above {THRESHOLD}; else 0"
    )
    return (
        f"{rule}. Then parts of a label under `smallest_part_px` pixels become 0" if config.smallest_part_px else rule
    )


def _target(config: BundleConfig) -> str | None:
    return getattr(config.checked_recipe.loss, "target", None)
