"""What a comparison found: the content of `compare.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from glioray.evaluation.result import Examined
from glioray.frozen import Frozen
from glioray.registry.bundle import Score

SCHEMA_VERSION = 1
FILE_NAME = "compare.json"
LEVEL = 0.05
COSTS = ("parameters", "seconds", "megabytes")


class Cost(Frozen):
    """What an answer takes; of folds that of one of them, since one of them answers."""

    parameters: int = Field(description="numbers that training changes")
    megabytes: float = Field(description="of weights as they are stored, 1 MB is 10**6 bytes")
    seconds: float = Field(description="of one image alone, the least of several")


class Compared(Frozen):
    """One model."""

    name: str
    runs: tuple[str, ...] = Field(description="one, or of several folds in their order")
    architecture: str
    image_size: int = Field(description="side in px of the images that it takes")
    seed: int | tuple[int, ...] = Field(description="of the training; one for each member of an average")
    trained_on_fingerprint: str
    tested_on_fingerprint: str
    scores: tuple[Score, ...]
    cost: Cost
    unbeaten: tuple[str, ...] = Field(description="costs at which no other model is as good and cheaper, or better")

    def score(self, name: str) -> Score | None:
        """The figure of this name, where it is defined."""
        return next((score for score in self.scores if score.name == name), None)


class Agreement(Frozen):
    """How alike the answers of two models are, whatever the truth is."""

    value: float | None = Field(description="share of same answers; of masks the Dice of one with the other")
    low: float | None = Field(None, description="lower end of the 95 % interval")
    high: float | None = Field(None, description="upper end of the 95 % interval")
    kappa: float | None = Field(None, description="of classes: Cohen's kappa, doi:10.1177/001316446002000104")
    only_first_right: int | None = Field(None, description="images that the first alone has right")
    only_second_right: int | None = None
    both_wrong: int | None = None


class Pair(Frozen):
    """Two models: the first one's figure less the second one's."""

    first: str
    second: str
    difference: float
    low: float | None = Field(description="lower end of the 95 % interval")
    high: float | None = Field(description="upper end of the 95 % interval")
    p: float = Field(description="of this pair alone, two-sided")
    p_holm: float = Field(description="corrected for all pairs of the comparison")
    agreement: Agreement

    @property
    def differs(self) -> bool:
        """Whether the difference is larger than chance explains."""
        return self.p_holm < LEVEL


class Comparison(Examined):
    """Several models on the same rows."""

    file_name: ClassVar[str] = FILE_NAME
    schema_version: int = SCHEMA_VERSION
    figure: str = Field(description="the score that is compared")
    test: str = Field(description="how the p-values were made")
    smallest_p: float = Field(description="that the test of one pair can give with so many patients or groups")
    timed_on: str = Field(description="where `seconds` were measured")
    models: tuple[Compared, ...]
    pairs: tuple[Pair, ...]

    @property
    def can_differ(self) -> bool:
        """Whether the units are enough for any pair to differ."""
        return self.smallest_p * len(self.pairs) < LEVEL


def unbeaten(scores: Sequence[float], costs: Sequence[float]) -> list[bool]:
    """Which models no other beats: it would score as well at a lower cost, or better at the same or a lower one."""
    found = list(zip(scores, costs, strict=True))
    return [not any(s >= score and c <= cost and (s > score or c < cost) for s, c in found) for score, cost in found]
