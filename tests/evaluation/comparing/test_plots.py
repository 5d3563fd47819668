from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
from tests.evaluation.comparing.test_page import comparison, pair

from glioray.evaluation.comparing.plots import against_costs, by_unit, forest


def elements(markup: str, kind: str, style: str) -> list[ElementTree.Element]:
    return [one for one in ElementTree.fromstring(markup).iter(kind) if style in one.get("class", "").split()]


def test_a_difference_lies_left_of_zero_where_the_first_is_worse_and_is_filled_where_it_is_sure():
    found = comparison(pair("a", "b", -0.2, 0.01), pair("a", "c", 0.3, 0.3))

    drawn = forest(found, "Differences")

    (zero,) = elements(drawn, "line", "zero")
    (sure,), (unsure,) = elements(drawn, "circle", "seen"), elements(drawn, "circle", "unseen")
    assert float(sure.get("cx")) < float(zero.get("x1")) < float(unsure.get("cx"))


def test_a_patient_without_a_score_has_no_dot():
    drawn = by_unit([np.array([0.5, np.nan]), np.array([0.7, 0.9])], "Dice")

    assert len(elements(drawn, "circle", "dot")) == 3
    assert len(elements(drawn, "polyline", "unit")) == 2


def test_each_cost_has_a_plot_with_a_ring_where_no_other_is_better():
    drawn = against_costs(comparison(pair("a", "b", 0.1, 0.3)), "Dice")

    assert [len(elements(one, "circle", "dot")) for one in drawn] == [2, 2, 2]
    assert [len(elements(one, "circle", "ring")) for one in drawn] == [2, 0, 0]  # `unbeaten` of both: parameters


def test_costs_have_ticks_even_where_all_models_cost_the_same():
    for drawn in against_costs(comparison(pair("a", "b", 0.1, 0.3)), "Dice"):
        numbers = [text for text in re.findall(r'text-anchor="middle">([^<]+)<', drawn) if text[0].isdigit()]
        assert len(numbers) >= 2
