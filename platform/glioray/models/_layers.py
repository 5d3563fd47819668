"""The layers of a network in the order in which the image passes them, for rates of learning and for freezing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from torch import nn


def layers(model: nn.Module) -> list[list[str]]:
    """Names of the parameters of each layer, every parameter once.

    Nearest to the image first; the last entry is what no pre-training knows: the head, or where the model has an
    `encoder` all but that. Networks of timm say their layers themselves (`group_matcher`); others are taken apart
    into their top-level parts.
    """
    encoder = getattr(model, "encoder", None)
    if isinstance(encoder, nn.Module):
        groups = [[f"encoder.{name}" for name in group] for group in _groups(encoder)]
    else:
        groups = _groups(model)
    names = [name for name, _ in model.named_parameters()]
    old = {name for name in names if name.startswith("encoder.")} if encoder is not None else set(names) - head(model)
    known = [[name for name in group if name in old] for group in groups]
    new = [name for name in names if name not in old]
    return [group for group in [*known, new] if group]


def head(model: nn.Module) -> set[str]:
    """Names of the parameters of the last layer, or layers where there are several side by side."""
    prefix, inner = _unwrapped(model)
    if callable(classifier := getattr(inner, "get_classifier", None)):
        found = classifier()
        own = {id(weight) for part in _each(found) for weight in part.parameters()}
        if own:
            return {prefix + name for name, weight in inner.named_parameters() if id(weight) in own}
    parts = [(path, part) for path, part in _parts(inner) if any(True for _ in part.parameters())]
    heads = [(path, part) for path, part in parts if "head" in path] or parts[-1:]
    return {f"{prefix}{path}.{name}" for path, part in heads for name, _ in part.named_parameters()}


def _groups(model: nn.Module) -> list[list[str]]:
    prefix, inner = _unwrapped(model)
    if hasattr(inner, "group_matcher"):
        return [[prefix + name for name in group] for group in _timm_groups(inner)]
    parts = [[f"{prefix}{path}.{name}" for name, _ in part.named_parameters()] for path, part in _parts(inner)]
    own = [prefix + name for name, _ in inner.named_parameters(recurse=False)]
    return [own, *parts]


def _timm_groups(network: Any) -> list[list[str]]:
    from timm.models import group_parameters

    groups: dict[int, list[str]] = group_parameters(network, network.group_matcher(coarse=False))
    return [groups[layer] for layer in sorted(groups)]


def _each(found: Any) -> list[nn.Module]:
    """A network of timm gives one classifier, or several in a tuple, a list or a `ModuleList`."""
    return [found] if isinstance(found, nn.Module) else [part for part in found if isinstance(part, nn.Module)]


def _unwrapped(model: nn.Module) -> tuple[str, nn.Module]:
    """What stands inside mere wrappers, and the path to it with a dot at its end."""
    prefix = ""
    while not hasattr(model, "group_matcher"):
        children = list(model.named_children())
        if len(children) != 1 or any(True for _ in model.parameters(recurse=False)):
            break
        name, model = children[0]
        prefix += f"{name}."
    return prefix, model


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Top-level children; a list of blocks counts as its blocks.

    Of lists side by side that are of one length, as the joins and the blocks of a U-Net's way up, the image passes the
    first blocks, then the second ones, and so on.
    """
    for length, run in groupby(model.named_children(), key=_num_blocks):
        children = list(run)
        if length is None:
            yield from children
        for index in range(length or 0):
            yield from ((f"{path}.{index}", blocks.get_submodule(str(index))) for path, blocks in children)


def _num_blocks(child: tuple[str, nn.Module]) -> int | None:
    """Of a list; none of all else."""
    return len(child[1]) if isinstance(child[1], nn.ModuleList) else None
