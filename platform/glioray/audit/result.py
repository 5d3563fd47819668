"""What an audit found, as `audit.json` holds it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from glioray.data.records import Refused
from glioray.frozen import Frozen
from glioray.registry.bundle import Score
from glioray.registry.card import describe

FILE_NAME = "audit.json"
SCHEMA_VERSION = 1


class Kind(Frozen):
    """Pairs of copies of one kind; a pair is counted once, under the plainest kind that it is of."""

    name: str
    pairs: int
    images: int = Field(description="that are in such a pair")
    across_sides: int = Field(description="pairs that stand on two sides of the split")
    across_classes: int = Field(description="pairs that carry two labels")
    tested_with_copy: int | None = Field(
        description="images of the tested side with a copy in training of this or a plainer kind; none without sides"
    )


class SamePatient(Frozen):
    """Patients who are on more than one side: a leak that needs no copy."""

    patients: int
    images: int = Field(description="of these patients, on any side")
    tested: int | None = Field(description="images of the tested side whose patient is in training; none without sides")


class Member(Frozen):
    """One image of a pair or a group."""

    name: str
    label: str | None
    side: str | None
    patient: str | None


class Pair(Frozen):
    """Two copies to look at."""

    kind: str
    symmetry: str = Field(description="what brings the second onto the first")
    correlation: float
    chosen: str = Field(description="strongest, weakest or random of its kind")
    first: Member
    second: Member


class Copies(Frozen):
    """All copies, and the groups that they form with the patients."""

    compared: str = Field(description="what copies were looked for in")
    is_volumes: bool = Field(description="slices: patients are copies where enough of their slices are")
    as_prepared: str | None = Field(description="the leak that `prepare` wrote down")
    groups: int
    parted_groups: int = Field(description="that stand on more than one side or fold")
    images_with_a_copy: int
    largest_group: int
    sides: int = Field(description="sides or folds that the images stand on; 0 where none is named")
    same_patient: SamePatient | None = Field(description="none where no patient is named")
    tested: str | None = Field(description="the side that is scored on")
    tested_images: int
    tested_with_copy: int | None = Field(
        description="of these, with their patient or a copy in training, also by way of other copies"
    )
    tested_in_val: int | None = Field(description="of these, not in training but in val")
    tested_alike: int | None = Field(description="of these, whose patient is not in training, but a pair that counts")
    kinds: tuple[Kind, ...]
    conflicts: tuple[tuple[Member, ...], ...] = Field(description="groups of copies that carry two labels")
    shown: tuple[Pair, ...]

    @property
    def line(self) -> str:
        """What a reader must know first."""
        if self.tested is None:
            return self._line_of_parts
        leaks = [*self._in_training, *self._in_val]
        return f"leaky: {', '.join(leaks)}" if leaks else f"no leak found: {self._all_clear}"

    @property
    def is_leaky(self) -> bool:
        """Whether a score would tell too much."""
        return self.line.startswith("leaky")

    @property
    def _in_training(self) -> list[str]:
        known = (self.same_patient.tested if self.same_patient else None) or 0
        others = (self.tested_with_copy or 0) - known
        leaks = [f"{self._of(known)} show a patient who is in training"] if known else []
        if others and self.is_volumes and self.tested_alike:
            which = f"{others} more slices" if known else self._of(others)
            leaks.append(
                f"{self.tested_alike} slices of {self.tested} patients look like one of a training patient "
                f"({which} are of these patients)"
            )
        elif others:
            leaks.append(f"{others} more have a copy there" if known else f"{self._of(others)} have a copy in training")
        return leaks

    @property
    def _in_val(self) -> list[str]:
        if not self.tested_in_val:
            return []
        if self.tested_with_copy:
            return [f"{self.tested_in_val} more in val"]
        return [f"{self._of(self.tested_in_val)} have their patient or a copy in val"]

    @property
    def _all_clear(self) -> str:
        if not self.is_volumes:
            return f"none of {self.tested_images:,} {self.tested} images has a copy in training"
        single = self.kinds[-1].tested_with_copy
        alike = f", though {self._of(single)} look like one of a training patient" if single else ""
        return f"no {self.tested} patient is in training or looks like one who is{alike}"

    def _of(self, count: int) -> str:
        return f"{count} of {self.tested_images} {self.tested} {'slices' if self.is_volumes else 'images'}"

    @property
    def _line_of_parts(self) -> str:
        """Where no side is scored on: folds, or no split at all."""
        if self.sides < 2:
            return f"no split is named: {self.groups:,} groups of copies, of which none may be parted"
        if self.same_patient and self.same_patient.patients:
            return (
                f"leaky: patients who stand in more than one of the {self.sides} folds: {self.same_patient.patients:,}"
            )
        if self.parted_groups == 0:
            return f"no leak found: no group of copies is parted by the {self.sides} folds"
        return f"leaky: groups of copies that are parted by the {self.sides} folds: {self.parted_groups:,}"


class Shortcut(Frozen):
    """How well the class is told by figures that say nothing of the brain."""

    name: str
    when: str = Field(description="before or after the head is cropped")
    features: tuple[str, ...]
    accuracy: Score
    balanced_accuracy: Score


class Shortcuts(Frozen):
    """The shortcuts of a data set, or why they were not measured."""

    majority: float = Field(description="accuracy of always naming the largest class")
    chance: float = Field(description="balanced accuracy of always naming one class")
    found: tuple[Shortcut, ...]
    not_measured: str | None = None


class RandomLine(Frozen):
    """A model that was trained on random labels, on a side that it did not see."""

    split: str
    leak: str | None
    train_images: int
    test_images: int
    remembered: float = Field(description="accuracy on the training images: how far their labels were learned by heart")
    accuracy: Score

    def __str__(self) -> str:
        return describe(self.accuracy, self.leak)


class RandomLabels(Frozen):
    """Labels that mean nothing, learned on an honest split and on one by image."""

    chance: float
    classes: int
    epochs: int
    by_group: RandomLine
    by_image: RandomLine

    @property
    def is_at_chance(self) -> bool:
        """Whether the interval of the split by group holds chance."""
        low, high = self.by_group.accuracy.low, self.by_group.accuracy.high
        return low is not None and high is not None and low <= self.chance <= high


class Audit(Frozen):
    """All that was found in a folder."""

    schema_version: int = SCHEMA_VERSION
    folder: str
    what: str
    glioray_version: str
    images: int
    labels: dict[str, int]
    sides: dict[str, int]
    patients: int
    copies: Copies
    shortcuts: Shortcuts
    random_labels: RandomLabels | None
    refused: tuple[Refused, ...]
    remarks: tuple[str, ...]

    def lines(self) -> dict[str, Any]:
        """What a person at a terminal is told."""
        copies = self.copies
        facts: dict[str, Any] = {"images": self.images, "found": copies.line, "compared": copies.compared}
        facts |= {"groups": copies.groups}
        if copies.same_patient and copies.same_patient.patients:
            facts["patients on two sides"] = copies.same_patient.patients
        facts |= {f"{kind.name} pairs": kind.pairs for kind in copies.kinds if kind.pairs}
        facts["groups with two labels"] = len(copies.conflicts)
        for shortcut in self.shortcuts.found:
            if len(shortcut.features) > 1:
                facts[f"class told by {shortcut.name}"] = describe(shortcut.accuracy, None)
        if self.random_labels is not None:
            chance = f"chance {self.random_labels.chance:.3f}"
            facts["random labels, split by group"] = f"{self.random_labels.by_group} ({chance})"
            facts["random labels, split by image"] = f"{self.random_labels.by_image} ({chance})"
        if self.refused:
            facts["unreadable files"] = len(self.refused)
        return facts
