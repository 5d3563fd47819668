"""Whether a network takes images of a size, found out without computing anything.

Networks of timm and MONAI say what they refuse by failing, each in its own way: they are run on torch's `meta` device,
where tensors have shapes and no numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from glioray.errors import GliorayError, ModelError

Trial = Callable[[int], str]  # size in px to the reason why it is refused, empty where it is taken
STEPS_PX = (8, 14, 16, 32, 64)  # 14: patches of DINO and its kin
LONGEST_REASON = 110


def require_size(trial: Trial, image_size: int, own_size: int, name: str) -> None:
    """Refuses a size that a network cannot take, and finds one that it can.

    Args:
        trial: tells what the network says to a size.
        image_size: of the data, in px.
        own_size: that the network was made for; tried last.
        name: of the architecture, for the text.

    Raises:
        ModelError: the text names the size to prepare the data with.
    """
    if not (reason := trial(image_size)):
        return
    for candidate in _near(image_size, own_size):
        if not trial(candidate):
            raise ModelError(
                f"{name}: {image_size} px is refused ({reason}); prepare the data with --image-size {candidate}"
            )
    raise ModelError(f"{name}: neither {image_size} px nor any other size is taken ({reason}); choose another network")


def refusal(build: Callable[[], nn.Module], channels: int, image_size: int, expected: tuple[int, ...]) -> str:
    """Why a network does not take one image of a size to logits of the expected shape; empty where it does.

    Raises:
        GliorayError: what `build` itself refuses, whatever the size.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            output = build().eval()(torch.empty(1, channels, image_size, image_size))
    except GliorayError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:  # a defect of ours raises others, and is not hidden
        return brief(error)
    shape = tuple(getattr(output, "shape", ()))
    return "" if shape == expected else f"it gives {shape} in the place of {expected}"


def brief(error: Exception) -> str:
    """What an error of another library says, in a part of a line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def _near(image_size: int, own_size: int) -> Iterator[int]:
    """Sizes that are likely to be taken: padded ones, the nearest first, then that of the network."""
    padded = {(image_size // step + extra) * step for step in STEPS_PX for extra in (1, 2)}
    yield from sorted(padded)
    yield own_size
