"""How far predicted volumes are off: bias and limits of agreement over patients.

The error of a case is the predicted volume less the true one, both on the prepared grid; a patient's is the mean of the
cases. The bias is the mean over patients, and the limits, between which 95 % of patients should lie, are 1.96 standard
deviations (n - 1) to both sides of it.

Rule for empty references: a case without the label, for which none was predicted, is left out; where only one of the
two has it, its volume is the error.

Source: Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8; their intervals are by bootstrap here.

Shapes: V cases, U patients, K labels, R regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glioray.evaluation.bootstrap import Draws, Floats, mean_by_unit, means
from glioray.evaluation.findings import Picture, Section, score_table
from glioray.evaluation.scoring import Circumstances, Scores, resampled_scores
from glioray.evaluation.volume_figures import Agreement, agreement_figure

LIMIT = 1.96


@dataclass(frozen=True)
class Sizes:
    """Predicted and true volumes, (V,) of cases or (U,) of patients, by label or region; NaN where neither has it."""

    predicted: Mapping[str, Floats]
    true: Mapping[str, Floats]
    unit: str
    """`ml`, or `px`: pixels of the prepared image over all slices"""

    @property
    def error(self) -> str:
        """Name of the measure, with its unit."""
        return f"volume_error_{self.unit}"

    @property
    def errors(self) -> dict[str, Floats]:
        """Predicted less true."""
        return {name: self.predicted[name] - true for name, true in self.true.items()}

    def by_unit(self, unit_of_case: Draws, num_units: int) -> Sizes:
        """Of patients (U,), the mean of their cases (V,)."""
        predicted, true = (mean_by_unit(sizes, unit_of_case, num_units) for sizes in (self.predicted, self.true))
        return Sizes(predicted, true, self.unit)


def limit_scores(sizes: Sizes, circumstances: Circumstances) -> Scores:
    """`volume_low_ml/WT` and `volume_high_ml/WT` of each label and region; not defined of a single patient."""
    errors = np.column_stack(list(sizes.errors.values()))

    def figures(drawn: Draws) -> Floats:
        bias, deviation = means(errors, drawn), _deviations(errors, drawn)
        return np.column_stack([bias - LIMIT * deviation, bias + LIMIT * deviation])

    counts = np.count_nonzero(~np.isnan(errors), axis=0).tolist()
    units = {
        f"volume_{end}_{sizes.unit}/{name}": count
        for end in ("low", "high")
        for name, count in zip(sizes.true, counts, strict=True)
    }
    return resampled_scores(units, figures, circumstances)


def agreement_section(sizes: Sizes, scores: Scores, patients: Sequence[int]) -> Section:
    """The section of the report; `patients` (K+R,) are those who have the label."""
    unit = sizes.unit
    columns = {
        f"bias, {unit}": sizes.error,
        f"lower limit, {unit}": f"volume_low_{unit}",
        f"upper limit, {unit}": f"volume_high_{unit}",
    }
    table = score_table(scores, "", tuple(sizes.true), columns, {"patients": patients})
    found = {score.name: score for score in scores.defined}
    drawn = {
        name: Agreement(
            (sizes.predicted[name] + sizes.true[name]) / 2,
            error,
            tuple(found.get(f"{line}/{name}") for line in columns.values()),
        )
        for name, error in sizes.errors.items()
    }
    text = f"{_TEXT}{_IN_ML if unit == 'ml' else _IN_PX}"
    return Section("Volume error", text, (Picture(agreement_figure(drawn, unit), _FIGURE),), table)


def _deviations(values: Floats, drawn: Draws) -> Floats:
    """(R,M) standard deviations (n - 1) of values (U,M), each as often as drawn; NaN of fewer than two."""
    counts = drawn @ ~np.isnan(values)
    # Around the mean of all: squares of large volumes would lose what the small errors differ in.
    center = np.nan_to_num(np.nanmean(np.where(np.isnan(values).all(axis=0), 0.0, values), axis=0))
    shifted = values - center
    squares = means(shifted**2, drawn) - means(shifted, drawn) ** 2
    spread = np.sqrt(np.maximum(squares, 0) * counts / np.maximum(counts - 1, 1))
    return np.where(counts > 1, spread, np.nan)


_TEXT = (
    "Predicted volume less the true one: above zero, too much was drawn. The bias is the mean over patients; between "
    "the limits of agreement, 1.96 standard deviations to both sides, lie 95 % of patients if their errors are "
    "normally distributed. A patient without the label, for whom none was predicted, is left out. "
)
_IN_ML = "On the prepared grid, whose voxels have a known size."
_IN_PX = (
    "These data do not say how large their voxels are: volumes are pixels of the prepared image, summed over slices, "
    "and those of two scans of another resolution cannot be compared."
)
_FIGURE = "Each dot is a patient. Line: bias; dashed: limits of agreement; shaded: their 95 % intervals."
