"""What a person reads of survival."""

from __future__ import annotations

import numpy as np
import pytest

from glioray.registry.bundle import Score
from glioray.survival.lines import Cases, Line
from glioray.survival.page import difference_text, figure_text, write_page
from glioray.survival.patients import Cohort, Patient
from glioray.survival.result import Difference, SurvivalReport

ABOUT = {"synthetic": True, "citation": "toy <b>", "scans": "raw", "table": "t.csv", "bundles": ("fold0",)}


@pytest.fixture
def cases() -> Cases:
    """Sixty patients, every fifth of whom lived; all GTR."""
    days = np.exp(np.random.default_rng(0).normal(6, 0.6, 60))
    patients = tuple(Patient(f"P{i:02}", 60.0, float(days[i]), bool(i % 5), "GTR") for i in range(60))
    features = ({"WT_ml": 1.0},) * 60
    return Cases(Cohort(patients, ()), tuple(one.patient_id for one in patients), features, features)


def lines_of(cases: Cases, noise: float) -> tuple[Line, ...]:
    """The age line says nothing, masks say much, predicted ones as much as the noise leaves."""
    rng = np.random.default_rng(1)
    days = cases.cohort.days
    masks = days * np.exp(0.1 * rng.normal(size=60))
    predicted = days * np.exp(noise * rng.normal(size=60))
    age = np.exp(rng.normal(6, 0.1, 60))
    named = {
        "median": np.full(60, 400.0),
        "age_line": age,
        "clinical": age,
        "masks": masks,
        "masks_predicted": predicted,
    }
    return tuple(Line(name, found, ("ridge, alpha 1",) * 5) for name, found in named.items())


@pytest.mark.parametrize(
    ("noise", "sentence"),
    [
        (0.1, "Masks that a model predicts add to age: +0."),
        (9.0, "Masks that a model predicts add nothing to age that"),
    ],
)
def test_the_page_says_first_what_masks_add(cases: Cases, noise: float, sentence: str, tmp_path) -> None:
    lines = lines_of(cases, noise)
    report = SurvivalReport.of(cases, lines, ABOUT, 0)
    write_page(report, cases, lines, tmp_path)
    page = (tmp_path / "survival.html").read_text()
    head = page[: page.index("<section>")]
    assert "Masks add to age: concordance index +0." in head
    assert sentence in head
    assert "SYNTHETIC" in head
    assert "Research use only. Not a medical device" in head
    assert "toy &lt;b&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_figure_has_its_interval_and_errors_are_in_thousands() -> None:
    score = Score(name="x", value=12345.6, low=1000, high=20000, split="s", units=9, unit="patients", seed=0)
    assert figure_text(score, "mse_days2") == "12.3 [1.0, 20.0]"
    assert figure_text(None, "c_index") == "–"


def test_less_error_is_better_and_less_order_worse() -> None:
    shared = {"of": "masks", "against": "age_line", "population": "all", "units": 9, "value": -0.2, "low": -0.3}
    error = Difference(name="mse_days2", high=-0.1, **shared)
    order = Difference(name="c_index", high=-0.1, **shared)
    neither = Difference(name="c_index", high=0.1, **shared)
    assert [one.verdict for one in (error, order, neither)] == ["better", "worse", "not told apart"]
    assert difference_text(neither) == "-0.200 [-0.300, +0.100]"
