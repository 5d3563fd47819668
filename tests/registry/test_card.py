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


def test_a_card_has_the_sections_of_mitchell_2019(bundle):
    headings = [line[3:] for line in render_card(bundle.config).splitlines() if line.startswith("## ")]

    assert headings == [
        "Intended use",
        "Training data",
        "Evaluation data and scores",
        "Limits",
        "Ethical considerations",
    ]


def test_a_card_says_which_images_it_is_for_and_how_many_scans_it_learned_from(bundle):
    card = render_card(bundle.config)

    assert "not for other images than slices of brain MRI with the channels t1, flair" in card
    assert "**Learned from:** 2 scans of train and val" in card
    assert "It learned from scans of patients" in card


def test_a_card_without_scores_does_not_say_what_they_are_over(bundle):
    assert "bootstrap" not in render_card(bundle.config)
    assert "bootstrap" in render_card(bundle.with_scores((SCORE,)).config)


def test_a_card_of_a_phantom_names_no_patients_as_its_source(bundle):
    contents = bundle.config.contents.model_copy(update={"synthetic": True})
    card = render_card(bundle.config.model_copy(update={"contents": contents}))

    assert "No scan of a patient is in it" in card
    assert "learned from scans of patients" not in card


def test_a_card_of_a_leaky_split_does_not_say_that_nothing_was_learned_from_its_test_side(bundle):
    config = bundle.with_scores((SCORE,)).config

    assert "nothing was learned from" in render_card(config)
    leaky = render_card(config.model_copy(update={"leak": "leaky: 3 of 9"}))
    assert "nothing was learned from" not in leaky
    assert "the scores are too high" in leaky


def test_a_small_rate_is_not_rounded_to_nothing():
    rate = SCORE.model_copy(update={"name": "fpr/WT", "value": 0.00042, "low": 0.00011, "high": 0.0009})

    assert describe(rate, None).startswith("0.00042 [0.00011, 0.00090], ")
