"""The network of a recipe: the one place where its model and its task meet."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from glioray.data.records import Contents, Signature
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.tasks import _contract as tasks


def build_network(recipe: Recipe, contents: Contents, signature: Signature) -> nn.Module:
    """The recipe's model with as many outputs as its task learns, with fresh weights from torch's random state.

    Args:
        recipe: whose model and loss.
        contents: of the data that it learns from.
        signature: of the same data.

    Raises:
        ModelError: the image size does not fit the architecture; the text names one that does.
    """
    outputs = tasks.num_outputs(contents, recipe.loss)
    return models.build(recipe.model, replace(signature, out_channels=outputs))
