from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from glioray.evaluation.agreement import Sizes, _deviations, agreement_section, limit_scores
from glioray.evaluation.bootstrap import draws
from glioray.evaluation.scoring import Circumstances, together, volume_scores

NAN = np.nan
PATIENTS = Circumstances("test, split by group", 4, "patients", seed=0)
SIZES = Sizes(
    predicted={"WT": np.array([12.0, 18.0, 30.0, NAN]), "ET": np.array([5.0, NAN, NAN, NAN])},
    true={"WT": np.array([10.0, 20.0, 30.0, NAN]), "ET": np.array([0.0, NAN, NAN, NAN])},
    unit="ml",
)


def test_limits_are_1_96_standard_deviations_around_the_bias():
    scores = limit_scores(SIZES, PATIENTS)

    # Errors of 2, -2 and 0: bias 0, standard deviation 2.
    assert {score.name: score.value for score in scores.defined} == pytest.approx(
        {"volume_low_ml/WT": -3.92, "volume_high_ml/WT": 3.92}
    )
    assert {score.units for score in scores.defined} == {3}


def test_one_patient_has_an_error_and_no_limits():
    assert limit_scores(SIZES, PATIENTS).undefined == ("volume_low_ml/ET", "volume_high_ml/ET")
    assert SIZES.errors["ET"][0] == 5.0


@pytest.mark.parametrize("offset", [0, 1e6])
def test_deviations_equal_those_of_the_listed_values(offset):
    values = np.random.default_rng(0).normal(size=(9, 2)) + offset
    values[[1, 4], 1] = NAN
    drawn = next(draws(9, resamples=50))

    for column in range(2):
        lists = [np.repeat(values[:, column], row) for row in drawn]
        expected = [np.nanstd(one, ddof=1) for one in lists]
        np.testing.assert_allclose(_deviations(values, drawn)[:, column], expected, rtol=1e-5)


def test_a_patient_has_the_mean_of_the_cases():
    found = SIZES.by_unit(np.array([0, 0, 1, 2]), 3)

    np.testing.assert_array_equal(found.errors["WT"], [0.0, 0.0, NAN])
    np.testing.assert_array_equal(found.errors["ET"], [5.0, NAN, NAN])


def test_the_section_has_the_figures_in_their_unit_and_a_plot_of_each_label():
    errors = {f"volume_error_ml/{name}": values for name, values in SIZES.errors.items()}
    scores = together(volume_scores(errors, PATIENTS), limit_scores(SIZES, PATIENTS))

    section = agreement_section(SIZES, scores, [3, 1])

    assert section.table.header == ("", "patients", "bias, ml", "lower limit, ml", "upper limit, ml")
    assert section.table.rows[0][2].startswith("0.00 [")
    assert section.table.rows[1][2:] == ("5.00", "–", "–")
    assert "known size" in section.text
    width, height = Image.open(io.BytesIO(section.pictures[0].png)).size
    assert width > height


def test_without_a_known_spacing_the_unit_is_said_to_be_pixels():
    sizes = Sizes(SIZES.predicted, SIZES.true, "px")

    section = agreement_section(sizes, limit_scores(sizes, PATIENTS), [3, 1])

    assert "pixels of the prepared image, summed over slices" in section.text
