from __future__ import annotations

import pytest

from glioray.registry.bundle import Score
from glioray.registry.card import describe, render_card

SCORE = Score(
    name="dice", value=0.7123, low=0.61, high=0.8, split="test, split by group", units=28, unit="patients", seed=4
)


def test_a_card_says_that_it_is_no_medical_device(bundle):
    assert "Not a medical device" in render_card(bundle.config)


def test_a_score_is_described_with_all_that_it_takes_to_believe_it():
    assert describe(SCORE, None) == "0.712 [0.610, 0.800], test, split by group, 28 patients, seed 4"


def test_a_score_of_a_leaky_split_never_stands_without_its_leak():
    assert describe(SCORE, "leaky: 3 of 9").endswith("(leaky: 3 of 9)")


def test_a_card_without_scores_says_how_to_get_them(bundle):
    assert "glioray evaluate" in render_card(bundle.config)


def test_a_card_shows_its_scores_in_a_table(bundle):
    card = render_card(bundle.with_scores((SCORE,)).config)

    assert "| dice | 0.712 [0.610, 0.800]" in card


@pytest.mark.parametrize(
    ("update", "expected"),
    [({"leak": "leaky: 3 of 9 test images have a copy in training"}, "leaky: 3 of 9 test images"), ({}, None)],
)
def test_a_leak_is_on_the_card(bundle, update, expected):
    card = render_card(bundle.config.model_copy(update=update))

    assert ("leaky" in card) == bool(expected)


def test_a_model_of_a_phantom_is_marked_as_synthetic(bundle):
    contents = bundle.config.contents.model_copy(update={"synthetic": True})

    assert "SYNTHETIC" in render_card(bundle.config.model_copy(update={"contents": contents}))
    assert "SYNTHETIC" not in render_card(bundle.config)


def test_a_small_rate_is_not_rounded_to_nothing():
    rate = SCORE.model_copy(update={"name": "fpr/WT", "value": 0.00042, "low": 0.00011, "high": 0.0009})

    assert describe(rate, None).startswith("0.00042 [0.00011, 0.00090], ")
