"""`plan: auto`: settings that the data decide, put where a recipe leaves them open."""

from __future__ import annotations

from collections.abc import Collection

import psutil
import torch
from torch import nn

from glioray.data.place import local_folder
from glioray.data.plan import Suggestion, suggestions
from glioray.data.prepared import PreparedDataset
from glioray.data.stream_size import WORKER_BYTES, train_bytes
from glioray.network import build_network
from glioray.recipe import Recipe

LARGEST_BATCH, SMALLEST_BATCH = 64, 4  # images a worker
UPDATES = 20  # at least, in an epoch
MEMORY_SHARE = 0.3  # of the memory, for the activations and gradients of one update
TRAINING_FACTOR = 3.0  # activations are kept, their gradients and the work space of convolutions come to them


def resolved(recipe: Recipe, given: Collection[str]) -> tuple[Recipe, list[Suggestion]]:
    """The recipe with what its data suggest, and the suggestions that were taken.

    Args:
        recipe: with `plan: auto`.
        given: dotted paths that a person has set, which stay as they are.

    Raises:
        DataError: the data are not prepared.
    """
    data = PreparedDataset.open(local_folder(recipe.data.path), recipe.data.fold)
    taken = []
    for suggestion in [_image_size(data), *_fitting(recipe, data), _batch_size(recipe, data)]:
        if suggestion.path not in given:
            recipe = recipe.with_values(suggestion.path, _plain(suggestion.value))
            taken.append(suggestion)
    return recipe, taken


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _image_size(data: PreparedDataset) -> Suggestion:
    return Suggestion("data.image_size", data.signature.image_size, "that is what the shards hold")


def _fitting(recipe: Recipe, data: PreparedDataset) -> list[Suggestion]:
    """A foreground share only where the workers hold the train side in memory; weights only where labels are learned.

    The weights are of labels: regions, where a network learns those, are other outputs.
    """
    refused = set[str]()
    if train_bytes(data) > recipe.scaling.num_workers * WORKER_BYTES:
        refused.add("data.foreground_share")
    if getattr(recipe.loss, "target", "labels") == "regions" or not getattr(recipe.loss, "has_weights", True):
        refused.add("loss.class_weights")
    return [found for found in suggestions(data.manifest) if found.path not in refused]


def _batch_size(recipe: Recipe, data: PreparedDataset) -> Suggestion:
    """The largest batch whose portions fit the memory of each worker, and that leaves some updates an epoch."""
    image_bytes = activation_bytes(recipe, data) * TRAINING_FACTOR
    room = MEMORY_SHARE * _worker_bytes(recipe)
    rows = data.manifest.sides["train"].rows
    portions, num_workers = recipe.budget.accumulate, recipe.scaling.num_workers
    portion, smallest = (max(1, images // portions) for images in (LARGEST_BATCH, SMALLEST_BATCH))
    while portion > smallest and (portion * image_bytes > room or portion * portions * num_workers * UPDATES > rows):
        portion //= 2
    why = f"{image_bytes / 1e6:.0f} MB an image, {room / 1e9:.1f} GB for a portion of a worker, {rows:,} images"
    return Suggestion("budget.batch_size", portion * portions * num_workers, why)


def activation_bytes(recipe: Recipe, data: PreparedDataset) -> int:
    """What all layers give out for one image, in float32."""
    model = build_network(recipe, data.manifest.contents, data.signature).eval()
    total = 0

    def add(_layer: nn.Module, _inputs: object, output: object) -> None:
        nonlocal total
        total += output.nbytes if isinstance(output, torch.Tensor) else 0

    for layer in model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(add)
    signature = data.signature
    with torch.inference_mode():
        model(torch.zeros(1, signature.in_channels, signature.image_size, signature.image_size))
    return total


def _worker_bytes(recipe: Recipe) -> float:
    """Of one worker: of the GPU, or of this machine's memory; not what is free now, which changes by the minute."""
    if recipe.scaling.use_gpu and torch.cuda.is_available():
        return float(torch.cuda.get_device_properties(0).total_memory)
    return float(psutil.virtual_memory().total / recipe.scaling.num_workers)
