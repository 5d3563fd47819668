"""The models of a process, which can be replaced while it answers. No Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from glioray.registry.rollout import Serving
from glioray.serving.hosted import HostedModel


class Shelf(Sequence[HostedModel]):
    """What is served now, in the order in which it is listed.

    The last version that was replaced stays behind it: a volume that is under way, and whoever names the version, is
    still answered, and the way back is at hand. Read on one event loop; `replace` may be called from another thread.
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
        return tuple(Serving(model.info.reference, model.info.canary_share) for model in self._served)

    def find(self, reference: str) -> HostedModel | None:
        """By NAME@VERSION, also what has been replaced."""
        both = (*self._served, *self._retired)
        return next((model for model in both if model.info.reference == reference), None)

    def replace(self, wanted: Sequence[Serving]) -> None:
        """Loads what is missing, and only then lets it answer; raises what loading raises, and has changed nothing."""
        served = tuple(self._with_share(wish) for wish in wanted)
        references = {model.info.reference for model in served}
        replaced = tuple(model for model in self._served if model.info.reference not in references)
        kept = tuple(model for model in self._retired if model.info.reference not in references)
        self._retired = replaced or kept
        self._served = served

    def _with_share(self, wish: Serving) -> HostedModel:
        model = self.find(wish.reference) or self._load(wish.reference)
        return model.with_share(wish.share)

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
