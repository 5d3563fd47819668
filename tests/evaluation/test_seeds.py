from __future__ import annotations

import json

import pytest

from glioray.evaluation.result import Evaluation
from glioray.evaluation.seeds import FILE_NAME, SeedReport, sections
from glioray.registry.bundle import Score


def with_scores(evaluation: Evaluation, seed: int, **scores: float) -> Evaluation:
    figures = tuple(
        Score(name=name, value=value, low=0.1, high=0.9, split="test", units=9, unit="patients", seed=seed)
        for name, value in scores.items()
    )
    return evaluation.model_copy(update={"seed": seed, "scores": figures})


@pytest.fixture
def found(evaluation) -> SeedReport:
    return SeedReport.of(
        [
            with_scores(evaluation, 3, dice=0.5, hd95_mm=4.0),
            with_scores(evaluation, 5, dice=0.7, hd95_mm=6.0, iou=0.3),
        ]
    )


def test_mean_and_deviation_of_a_sample_are_over_seeds(found):
    dice, distance, _ = found.figures

    assert (dice.mean, dice.standard_deviation, dice.seeds) == (pytest.approx(0.6), pytest.approx(0.2 / 2**0.5), 2)
    assert (dice.text, distance.text) == ("0.600 ± 0.141", "5.0 ± 1.4")


def test_a_figure_of_a_single_seed_has_no_deviation(found):
    assert (found.figures[2].standard_deviation, found.figures[2].text) == (None, "0.300")


def test_each_seed_stands_with_its_interval(found):
    table = sections(found, {"dice": "Dice", "hd95_mm": "HD95"})[0].table

    assert table.header == ("seed", "Dice", "HD95")
    assert [row[0] for row in table.rows] == ["3", "5", "mean ± sd"]
    assert table.rows[0][1] == "0.500 [0.100,\u00a00.900]"
    assert table.rows[2][1] == "0.600 ± 0.141"


def test_what_is_saved_holds_every_evaluation(found, tmp_path):
    found.save(tmp_path)

    saved = json.loads((tmp_path / FILE_NAME).read_text())
    assert [one["seed"] for one in saved["evaluations"]] == [3, 5]
    assert SeedReport.model_validate(saved) == found


def test_a_row_says_how_many_seeds_and_patients_it_is_over(found):
    table = sections(found, {"dice": "Dice", "hd95_mm": "HD95", "iou": "IoU"})[1].table

    assert table.header[-2:] == ("seeds", "patients")
    assert [row[-2:] for row in table.rows] == [("2 of 2", "9"), ("2 of 2", "9"), ("1 of 2", "9")]


def test_what_one_seed_lacks_is_named(evaluation):
    one, other = with_scores(evaluation, 1, dice=0.5), with_scores(evaluation, 2, dice=0.6)

    lacking = SeedReport.of([one, other.model_copy(update={"undefined": ("iou",)})])

    assert lacking.undefined == ("iou",)
