"""Which published models the settings ask for; found before Ray starts, so that a wrong name costs no wait."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioray.errors import ServingError
from glioray.registry.rollout import Serving, serving
from glioray.registry.store import Store
from glioray.serving.settings import ServeArgs


@dataclass(frozen=True)
class Catalog:
    """The address as a replica can use it, what was asked for, and the version that each wish starts with."""

    registry: str
    wishes: tuple[tuple[str, int], ...]

    def serving(self) -> tuple[Serving, ...]:
        """What is to be served now; raises RegistryError."""
        store = Store(self.registry)
        return tuple(one for wish, version in self.wishes for one in serving(store, wish, version))


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
    wishes = args.models or store.names()
    if not wishes:
        raise ServingError(f"registry {registry!r} holds no model; publish one: `glioray publish RUN NAME`")
    catalog = Catalog(registry, tuple((wish, store.find(wish).version) for wish in wishes))
    for one in catalog.serving():
        store.load(one.reference)
    return catalog
