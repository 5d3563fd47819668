"""What the fingerprint of a data set says about how to train on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glioray.data.manifest import Manifest

LARGEST_PX, STEP_PX = 256, 16
LEAST_FOREGROUND = 0.333  # nnU-Net's share of patches that must show a label (Isensee 2021)


@dataclass(frozen=True)
class Suggestion:
    """A setting of a recipe by its dotted path, and why it fits."""

    path: str
    value: Any
    why: str


def image_size_of(manifest: Manifest) -> Suggestion:
    """The side at which the median picture loses nothing, up to 256 px."""
    facts = manifest.facts
    raw = max(facts.height_px.median, facts.width_px.median)
    size_px = min(LARGEST_PX, max(STEP_PX, -int(-raw // STEP_PX) * STEP_PX))
    return Suggestion("data.image_size", size_px, f"the median picture is {raw:g} px")


def suggestions(manifest: Manifest) -> list[Suggestion]:
    """Class weights and foreground share, of the train side of these shards."""
    train = manifest.sides["train"]
    contents = manifest.contents
    is_classification = contents.task == "classification"
    sizes = train.rows_by_output if is_classification else train.label_pixels
    found = []
    if all(sizes[name] for name in contents.outputs) and len(contents.outputs) > 1:
        counts = [sizes[name] for name in contents.outputs]
        weights = inverse_frequency(counts) if is_classification else inverse_frequency([c**0.5 for c in counts])
        what = "images" if is_classification else "pixels"
        shown = ", ".join(f"{name} {sizes[name]:,}" for name in contents.outputs)
        found.append(Suggestion("loss.class_weights", weights, f"{what} in training: {shown}"))
    share = train.foreground_rows / train.rows
    if not is_classification and 0 < share < LEAST_FOREGROUND:
        found.append(
            Suggestion(
                "data.foreground_share", round(LEAST_FOREGROUND, 3), f"{share:.0%} of training's slices show a label"
            )
        )
    return found


def plan_notes(manifest: Manifest) -> list[tuple[str, str]]:
    """What `plan: auto` takes from these data, in words."""
    found = [image_size_of(manifest), *(suggestions(manifest) if manifest.settings.folds is None else [])]
    return [(one.path, f"{one.value}: {one.why}") for one in found]


def inverse_frequency(counts: Sequence[float]) -> tuple[float, ...]:
    """Weights of mean one that are larger the rarer a class is."""
    inverse = [1 / count for count in counts]
    return tuple(round(len(counts) * value / sum(inverse), 4) for value in inverse)
