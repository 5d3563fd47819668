"""What an evaluation found: the content of `metrics.json`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, ValidationError

from glioray.data.records import Side, TaskName
from glioray.errors import DataError
from glioray.frozen import Frozen
from glioray.plain_values import from_json
from glioray.registry.bundle import BundleConfig, Score
from glioray.schema import require_version

SCHEMA_VERSION = 1
FILE_NAME = "metrics.json"
_HEADLINE = {
    "classification": ("accuracy", "balanced_accuracy", "f1", "auc", "ece", "flagged"),
    "segmentation": ("dice", "median_dice", "region_dice", "iou", "hd95_mm", "hd95_px", "flagged"),
}
_BY_CLASS = {"classification": "recall/", "segmentation": "dice/"}


def were_trained_from(data_fingerprint: str, trained_on: str) -> bool:
    """Whether data are among those of a training; several, of folds or members, are joined by `+`."""
    return set(data_fingerprint.split("+")) <= set(trained_on.split("+"))


class Examined(Frozen):
    """The rows that figures were made of, with all that it takes to believe them; written whole to one file."""

    file_name: ClassVar[str]
    schema_version: int
    task: TaskName
    outputs: tuple[str, ...] = Field(description="classes or labels, in the order of the model's outputs")
    side: Side
    split: str = Field(description="the line that stands beside every score")
    leak: str | None = Field(description="the leak line of a published split, else none")
    synthetic: bool
    citation: str
    rows: int
    units: int
    unit: str
    interval: str = Field(description="how the intervals were made")

    def save(self, folder: Path) -> None:
        """Writes the file; the folder is still the temporary one of its writer."""
        (folder / self.file_name).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


class Evaluation(Examined):
    """Every figure of one model."""

    file_name: ClassVar[str] = FILE_NAME
    schema_version: int = SCHEMA_VERSION
    model: str = Field(description="the architecture")
    data_fingerprint: str
    trained_on_fingerprint: str
    cases: int | None = Field(None, description="scans; a patient may have several, and counts once")
    folds: tuple[int, ...] = Field((), description="those that were tested on; none where the data have no folds")
    num_folds: int | None = Field(None, description="how many folds the data have")
    runs: tuple[str, ...] = Field((), description="of several folds: their names, in the order of `folds`")
    seed: int | tuple[int, ...] = Field(description="of the training; one for each member of an average")
    scores: tuple[Score, ...]
    undefined: tuple[str, ...] = Field(description="figures without a single case to make them of")
    confusion: tuple[tuple[int, ...], ...] | None = Field(description="classification: truth by prediction")
    cases_without_distance: dict[str, int] | None = Field(
        None, description="segmentation: cases where only one of truth and prediction has the label, without HD95"
    )

    @property
    def is_own_data(self) -> bool:
        """Whether the model, or a member of it, was trained from these data; see `were_trained_from`."""
        return were_trained_from(self.data_fingerprint, self.trained_on_fingerprint)

    @property
    def is_own_split(self) -> bool:
        """Whether the data are the very ones whose train side the model learned from."""
        return self.data_fingerprint == self.trained_on_fingerprint

    def belongs_to(self, config: BundleConfig) -> bool:
        """Whether a model may carry these figures: of its own test side, with no leak that its card does not tell."""
        return self.is_own_split and self.side == "test" and self.leak == config.leak

    @property
    def headline(self) -> tuple[Score, ...]:
        """The figures to say first."""
        return tuple(score for name in _HEADLINE[self.task] for score in self.scores if score.name == name)

    @property
    def by_class(self) -> tuple[Score, ...]:
        """One figure a class or label: what a mean would hide."""
        return tuple(score for score in self.scores if score.name.startswith(_BY_CLASS[self.task]))

    def score(self, name: str) -> Score:
        """The figure of this name.

        Raises:
            KeyError: it is not defined here.
        """
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(name)

    @classmethod
    def load(cls, folder: Path) -> Evaluation:
        """Reads `metrics.json`.

        Raises:
            DataError: there is none, or it is not an evaluation.
            SchemaError: it was written by another version of glioray.
        """
        path = folder / FILE_NAME
        try:
            written = path.read_bytes()
            remedy = "evaluate again: `glioray evaluate RUN`."
            require_version(from_json(written), SCHEMA_VERSION, f"{path}: evaluation", remedy)
            return cls.model_validate_json(written)
        except (OSError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise DataError(f"{path}: not an evaluation of glioray ({reason}). Evaluate again.") from None
