"""Where a network runs, by the name that a person gave."""

from __future__ import annotations

import torch

from glioray.errors import RecipeError


def require_device(name: str) -> torch.device:
    """The device of this name.

    Raises:
        RecipeError: there is none of this name, or this machine has no such GPU.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise RecipeError(f"--device {name!r}: not a device; give cpu, cuda, or cuda:0")
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        raise RecipeError(f"--device {name!r}: torch finds {num_gpus} GPUs here; give --device cpu")
    return device
