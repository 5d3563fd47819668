"""The models of a process, which can be replaced while it answers. No Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from glioray.registry.rollout import Serving
from glioray.serving.hosted import HostedModel


class Shelf(Sequence[HostedModel]):
    """What is served now, in the order in which it is listed.

    The last version of a name that was replaced stays behind it: a volume that is under way ends with it, and the way
    back is at hand. Read on one event loop; `replace` may be called from another thread.
    """

    def __init__(self, load: Callable[[str], HostedModel]) -> None:
        self._load = load
        self._served: tuple[HostedModel, ...] = ()
        self._retired: tuple[HostedModel, ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """Of what is served."""
        return tuple(model.info.reference for model in self._served)

    @property
    def serving(self) -> tuple[Serving, ...]:
        """What is served, with the share of each canary."""
        return tuple(
            Serving(model.info.reference, model.info.canary_share, model.info.aliases) for model in self._served
        )

    def find(self, reference: str) -> HostedModel | None:
        """By NAME@VERSION, also what has been replaced."""
        both = (*self._served, *self._retired)
        return next((model for model in both if model.info.reference == reference), None)

    def replace(self, wanted: Sequence[Serving]) -> None:
        """Loads what is missing, and only then lets it answer; raises what loading raises, and has changed nothing."""
        served = tuple(self._as_served(wish) for wish in wanted)
        references = {model.info.reference for model in served}
        replaced = tuple(model for model in self._served if model.info.reference not in references)
        names = {model.info.name for model in replaced}
        kept = (model for model in self._retired if model.info.reference not in references)
        self._retired = (*replaced, *(model for model in kept if model.info.name not in names))
        self._served = served

    def fetch(self, reference: str) -> HostedModel:
        """By NAME@VERSION, loaded where this process does not have it: a volume began elsewhere before a change."""
        found = self.find(reference)
        if found is None:
            found = self._load(reference)
            self._retired = (*self._retired, found)
        return found

    def _as_served(self, wish: Serving) -> HostedModel:
        return (self.find(wish.reference) or self._load(wish.reference)).as_served(wish)

    def __len__(self) -> int:
        return len(self._served)

    def __iter__(self) -> Iterator[HostedModel]:
        """Over those of this moment."""
        return iter(self._served)

    @overload
    def __getitem__(self, index: int) -> HostedModel: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[HostedModel, ...]: ...
    def __getitem__(self, index: int | slice) -> HostedModel | tuple[HostedModel, ...]:
        return self._served[index]
