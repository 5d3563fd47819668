"""Which published models the settings ask for; found before Ray starts, so that a wrong name costs no wait."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioray.errors import ServingError
from glioray.registry.card import render_card
from glioray.registry.store import Store
from glioray.serving.schemas import ModelInfo
from glioray.serving.settings import ServeArgs


@dataclass(frozen=True)
class Catalog:
    """The address as a replica can use it, and the models, whose versions are fixed from here on."""

    registry: str
    models: tuple[ModelInfo, ...]
    cards: dict[str, str]
    """Markdown, by NAME@VERSION"""


def find_models(args: ServeArgs) -> Catalog:
    """What is to be served; every bundle is read once, so that a damaged one is refused here.

    Raises:
        RegistryError: a model is not published.
        BundleError: a bundle is damaged.
        ServingError: nothing is published at the registry.
    """
    # Replicas have working directories of their own.
    registry = args.registry if "://" in args.registry else str(Path(args.registry).resolve())
    store = Store(registry)
    found = [store.load(reference) for reference in args.models or store.names()]
    if not found:
        raise ServingError(f"registry {registry!r} holds no model; publish one: `glioray publish RUN NAME`")
    cards = {str(published): render_card(bundle.config) for published, bundle in found}
    return Catalog(registry, tuple(ModelInfo.of(published, bundle.config) for published, bundle in found), cards)
