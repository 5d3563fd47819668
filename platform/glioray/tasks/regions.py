"""Regions as what is learned: each an output of its own, and the label map that follows from them.

BraTS scores the whole tumor, its core, and the enhancing part of the core. Such regions hold each other, so that a
pixel's label is the one that the innermost of its regions adds.

Source: Isensee 2020, arXiv 2011.00848, section 3.1.

Shapes: B slices, R regions, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from glioray.errors import RecipeError

ASK = "take `loss.target: labels`"


def nested(labels: Mapping[str, int], regions: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The label that each region has for itself, the outermost region first.

    Args:
        labels: values in the mask, by name.
        regions: names of labels, by region, in any order.

    Raises:
        RecipeError: labels cannot be told from the regions: there are none, one does not hold the next smaller one,
            a region adds no label or several, or a label is in no region.
    """
    if not regions:
        raise RecipeError(f"loss.target is 'regions', the data have none, only labels ({', '.join(labels)}): {ASK}")
    ordered = sorted(regions, key=lambda name: len(set(regions[name])), reverse=True)
    for outer, inner in pairwise(ordered):
        if not set(regions[inner]) < set(regions[outer]):
            raise RecipeError(
                f"loss.target is 'regions', which must hold each other: {outer!r} ({', '.join(regions[outer])}) does "
                f"not hold {inner!r} ({', '.join(regions[inner])}) and more: {ASK}"
            )
    if left_out := sorted(set(labels) - set(regions[ordered[0]])):
        raise RecipeError(f"loss.target is 'regions', the label {left_out[0]!r} is in none of them: {ASK}")
    holes = [*(set(regions[name]) for name in ordered[1:]), set[str]()]
    own = {name: sorted(set(regions[name]) - hole) for name, hole in zip(ordered, holes, strict=True)}
    for name, names in own.items():
        if len(names) != 1:
            raise RecipeError(
                f"loss.target is 'regions', each must add one label to what it holds: {name!r} adds "
                f"{', '.join(names)}, which it cannot tell apart: {ASK}"
            )
    return {name: names[0] for name, names in own.items()}


def innermost(is_inside: Tensor, labels: Mapping[str, int], regions: Mapping[str, tuple[str, ...]]) -> Tensor:
    """(B,H,W) uint8: the label that the innermost region adds, 0 outside of all.

    A pixel of an inner region is in the outer ones too, whatever their outputs say.

    Args:
        is_inside: (B,R,H,W) bool, in the order of the regions.
        labels: as in `nested`.
        regions: as in `nested`, which has passed them.
    """
    own = nested(labels, regions)
    position = {name: index for index, name in enumerate(regions)}
    label_map = torch.zeros_like(is_inside[:, 0], dtype=torch.uint8)
    for name, label in own.items():
        label_map.masked_fill_(is_inside[:, position[name]], labels[label])
    return label_map
