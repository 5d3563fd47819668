"""Bundles of several folds, seeds or architectures as one bundle, whose answer is the mean of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from glioray.data.folder import atomic_folder
from glioray.data.records import Contents
from glioray.errors import BundleError, ModelError
from glioray.registry.averaged import identity
from glioray.registry.bundle import BundleConfig, Flips, Member, ModelBundle, are_equal, versions

OWN_NAMES = ("bundle", "evaluation", "evaluation-val", "evaluation-train")


@dataclass(frozen=True)
class Named:
    """A bundle, and what a person calls it."""

    name: str
    bundle: ModelBundle


def average(named: Sequence[Named], flips: Flips | None = None, smallest_part_px: int | None = None) -> ModelBundle:
    """One bundle of all, which have the same weight in it.

    Args:
        named: two or more, of the same contents and preparation.
        flips: mirrored copies of each image; none takes what the members do, who must then do the same.
        smallest_part_px: parts of a mask below this are removed; none takes the smallest of the members' sizes, since
            a mean has fewer false parts than a single model.

    Raises:
        ModelError: two of them differ in what they answer, or in what they need to see.
        BundleError: fewer than two, the same model twice, or one that is an average already.
    """
    _require_single_models(named)
    for other in named[1:]:
        _require_alike(named[0], other, with_flips=flips is None)
    _require_known_sources(named)
    _require_masks(named, smallest_part_px)
    configs = [one.bundle.config for one in named]
    if smallest_part_px is None:
        smallest_part_px = min(config.smallest_part_px for config in configs)
    config = _config(configs, flips or configs[0].flips, smallest_part_px)
    members = enumerate(one.bundle.weights for one in named)
    return ModelBundle(
        config, {f"{place}.{key}": value for place, weights in members for key, value in weights.items()}
    )


def save_average(bundle: ModelBundle, out: Path) -> bool:
    """Writes OUT/bundle, whole or not at all; false where the same one is there already, perhaps with scores.

    Raises:
        BundleError: OUT holds something else, another average too, which would be lost.
    """
    if older := _older(out):
        _require_same(older, bundle, out)
        return False
    with atomic_folder(out) as partial:
        bundle.save(partial / OWN_NAMES[0])
    return True


def _config(configs: Sequence[BundleConfig], flips: Flips, smallest_part_px: int) -> BundleConfig:
    first = configs[0]
    recipe = first.checked_recipe.with_values("answer.flips", flips)
    return BundleConfig(
        recipe=recipe.values(),
        signature=first.signature,
        contents=_contents([config.contents for config in configs]),
        preprocessing=first.preprocessing,
        normalization=identity(first.signature.in_channels),
        data_fingerprint=_joined((config.data_fingerprint for config in configs), "+"),
        source_hash=_joined((config.source_hash for config in configs), "+"),
        learned_from=tuple(sorted({case for config in configs for case in config.learned_from})),
        leak=_joined((config.leak for config in configs if config.leak), "; ") or None,
        epoch=first.epoch,
        smallest_part_px=smallest_part_px,
        members=tuple(Member.model_validate(config.model_dump(include=set(Member.model_fields))) for config in configs),
        versions=versions(),
    )


def _contents(all_contents: Sequence[Contents]) -> Contents:
    """Equal but for whose data they are."""
    citation = _joined((contents.citation for contents in all_contents), "; ")
    is_synthetic = any(contents.synthetic for contents in all_contents)
    return all_contents[0].model_copy(update={"citation": citation, "synthetic": is_synthetic})


def _joined(texts: Iterable[str], between: str) -> str:
    """Each once, in their order."""
    return between.join(dict.fromkeys(texts))


def _require_single_models(named: Sequence[Named]) -> None:
    if len(named) < 2:
        raise BundleError(f"an average is of two models or more, {len(named)} is named")
    for one in named:
        if members := one.bundle.config.members:
            raise BundleError(f"{one.name}: is an average of {len(members)} already; name its members instead")
    for one, other in combinations(named, 2):
        if are_equal(one.bundle.weights, other.bundle.weights):
            raise BundleError(f"{one.name} and {other.name} are the same model; name each once")


def _require_alike(first: Named, other: Named, with_flips: bool) -> None:
    """Refuses the first difference, with both values; the order of outputs is a difference too."""
    expected, found = _traits(first.bundle.config, with_flips), _traits(other.bundle.config, with_flips)
    for name in expected:
        if expected[name] != found[name]:
            advice = "; say which is to hold with --flips" if name == "answer.flips" else ""
            raise ModelError(
                f"{other.name}: {name} is {found[name]}, of {first.name} it is {expected[name]}: only models that "
                f"agree in it can be averaged{advice}"
            )


def _require_known_sources(named: Sequence[Named]) -> None:
    """Where the data differ, one member's test side may be what another one learned from."""
    fingerprints = {one.bundle.config.data_fingerprint for one in named}
    for one in named:
        if len(fingerprints) > 1 and not one.bundle.config.learned_from:
            raise BundleError(
                f"{one.name}: does not list the scans that it learned from, so that no test of the average could be "
                "trusted; train it again"
            )


def _require_masks(named: Sequence[Named], smallest_part_px: int | None) -> None:
    if smallest_part_px is not None and named[0].bundle.config.contents.task != "segmentation":
        raise ModelError(
            f"{named[0].name}: is a classifier, whose answer has no parts to remove (smallest_part_px is "
            f"{smallest_part_px}); leave out --smallest-part-px"
        )


def _traits(config: BundleConfig, with_flips: bool) -> dict[str, str]:
    """What all members must have in common, as text, in which a dictionary shows its order."""
    contents, preprocessing = config.contents, config.preprocessing
    loss = config.checked_recipe.loss
    traits = {name: getattr(contents, name) for name in ("task", "channels", "classes", "labels", "regions")}
    traits |= {name: getattr(preprocessing, name) for name in type(preprocessing).model_fields}
    traits |= {"loss.target": getattr(loss, "target", None)}
    if with_flips:
        traits["answer.flips"] = config.flips
    return {name: repr(value) for name, value in traits.items()}


def _older(out: Path) -> ModelBundle | None:
    """The average that OUT holds."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    if strange := sorted(names - set(OWN_NAMES), key=lambda name: (name.startswith("."), name)):
        raise BundleError(f"{out}: holds {strange[0]!r}, which is no part of an average: give a new folder as --out")
    older = ModelBundle.load(out / OWN_NAMES[0])
    if not older.config.members:
        raise BundleError(f"{out}: holds a single model, which would be lost: give a new folder as --out")
    return older


def _require_same(older: ModelBundle, bundle: ModelBundle, out: Path) -> None:
    as_made = older.config.model_copy(update={"scores": (), "calibration": None})
    if as_made == bundle.config and are_equal(older.weights, bundle.weights):
        return
    raise BundleError(
        f"{out}: holds another average, of {_members_text(older.config)}, which would be lost with its evaluation; the "
        f"new one, of {_members_text(bundle.config)}, differs in members, weights or settings: give a new "
        "folder as --out"
    )


def _members_text(config: BundleConfig) -> str:
    """`custom_cnn (seed 0, fold 1), ...`."""
    texts = []
    for recipe in config.recipes:
        fold = recipe["data"].get("fold")
        texts.append(f"{recipe['model']['name']} (seed {recipe['seed']}{'' if fold is None else f', fold {fold}'})")
    return ", ".join(texts)
