"""From what a person names to the models that are compared: single runs, or all folds of one recipe as one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

from glioray.data.place import local_folder
from glioray.data.records import Side
from glioray.errors import ModelError
from glioray.evaluation.arrangement import Entry, arrange
from glioray.registry.bundle import BundleConfig, ModelBundle, are_equal
from glioray.registry.card import seed_text
from glioray.registry.locate import locate


@dataclass(frozen=True)
class Contender:
    """A model under the name that it has on the page: one run, or the run of each fold in their order."""

    name: str
    entries: tuple[Entry, ...]
    data: Path

    @property
    def config(self) -> BundleConfig:
        """Of its first run; those of other folds differ in the fold."""
        return self.entries[0].config

    @property
    def bundle(self) -> ModelBundle:
        """Of its first run."""
        return self.entries[0].found.bundle


def contenders(references: Sequence[str], data: str | None, registry: str, side: Side) -> tuple[Contender, ...]:
    """Finds every model.

    Args:
        references: each a run, a bundle or NAME@VERSION; several joined by commas are the folds of one recipe;
            `LABEL=` in front gives it a name of its own.
        data: folder or address that all are tested on; none takes for each what it was trained on.
        registry: of NAME@VERSION.
        side: that is compared.

    Raises:
        ModelError: there are fewer than two, one is there twice, or they do not answer the same question.
        BundleError, RegistryError: one is not there.
        RecipeError, DataError: runs that are joined by commas are not the folds of one recipe.
    """
    if len(references) < 2:
        raise ModelError(
            f"a comparison takes two models or more, {len(references)} is given: {', '.join(references)}. Name another "
            "one, or look at it alone with `glioray evaluate`"
        )
    given = [_labelled(reference) for reference in references]
    found = [_found(reference, data, registry, side) for _, reference in given]
    for (entries, _), (others, _) in combinations(found, 2):
        _require_two_models(entries, others)
    names = _names([label for label, _ in given], [reference for _, reference in given], found)
    named = tuple(Contender(name, entries, place) for name, (entries, place) in zip(names, found, strict=True))
    for one, other in combinations(named, 2):
        _require_comparable(one, other)
    return named


def _labelled(reference: str) -> tuple[str | None, str]:
    """`LABEL=RUN`, unless there is a folder of this very name."""
    label, sign, rest = reference.partition("=")
    if not sign or "/" in label or Path(reference).exists():
        return None, reference
    return label, rest


def _found(reference: str, data: str | None, registry: str, side: Side) -> tuple[tuple[Entry, ...], Path]:
    names = [reference] if Path(reference).exists() else [name for name in reference.split(",") if name]
    entries = tuple(Entry(name, locate(name, registry)) for name in names or [reference])
    place = local_folder(data or entries[0].config.data_place)
    if len(entries) == 1:
        return entries, place
    by_seed = arrange(entries, place, side).by_seed
    if len(by_seed) > 1:
        raise ModelError(
            f"{reference}: these are {len(by_seed)} seeds, and one model has one answer. Compare them one by one, or "
            "make one model of them with `glioray ensemble`"
        )
    return next(iter(by_seed.values())), place


def _require_two_models(one: Sequence[Entry], other: Sequence[Entry]) -> None:
    for mine, others in product(one, other):
        if _is_same(mine.found.bundle, others.found.bundle):
            raise ModelError(
                f"{mine.name} and {others.name} are the same model: their weights are equal; leave one out"
            )


def _names(
    labels: Sequence[str | None], references: Sequence[str], found: Sequence[tuple[tuple[Entry, ...], Path]]
) -> list[str]:
    """The shortest that tell all apart: architecture, then with its seed, then the run's folder, then as given."""
    configs = [entries[0].config for entries, _ in found]
    folders = [Path(entries[0].name).name for entries, _ in found]
    kinds: tuple[Callable[[int], str], ...] = (
        lambda place: _architecture(configs[place]),
        lambda place: f"{_architecture(configs[place])}, {seed_text(configs[place].seed)}",
        lambda place: folders[place],
        lambda place: references[place],
    )
    for kind in kinds:
        names = [label or kind(place) for place, label in enumerate(labels)]
        if len(set(names)) == len(names):
            return names
    twice = next(name for name in names if names.count(name) > 1)
    raise ModelError(f"{twice!r} is given {names.count(twice)} times; leave one out, or give each a name of its own")


def _architecture(config: BundleConfig) -> str:
    """That of timm or MONAI where the model only wraps one."""
    model = config.recipe["model"]
    return config.architecture if config.members else str(model.get("architecture", model["name"]))


def _require_comparable(one: Contender, other: Contender) -> None:
    pair = f"{one.name} and {other.name}"
    mine, others = one.config.contents, other.config.contents
    if mine.task != others.task:
        raise ModelError(f"{pair}: one is for {mine.task}, the other for {others.task}; compare models of one task")
    # The order of labels is that of the model's outputs, and equality of dictionaries does not see it.
    if (mine.outputs, mine.labels) != (others.outputs, others.labels):
        what = "classes" if mine.task == "classification" else "labels"
        texts = [_outputs_text(contents.labels, contents.outputs) for contents in (mine, others)]
        raise ModelError(f"{pair}: their {what} are {texts[0]} and {texts[1]}; compare models of the same {what}")


def _outputs_text(labels: dict[str, int], outputs: Sequence[str]) -> str:
    return ", ".join(f"{name} {labels[name]}" if name in labels else name for name in outputs)


def _is_same(one: ModelBundle, other: ModelBundle) -> bool:
    """Whether both give the same answers: weights and what is done to the outputs."""
    if one.config.flips != other.config.flips or one.config.smallest_part_px != other.config.smallest_part_px:
        return False
    return are_equal(one.weights, other.weights)
