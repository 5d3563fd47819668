from __future__ import annotations

import pytest
from tests.evaluation.conftest import EXAMINED

from glioray.evaluation.comparing.material import Case, Material, Tile
from glioray.evaluation.comparing.page import gap_text, p_text, score_table, verdict, write_page
from glioray.evaluation.comparing.result import Agreement, Compared, Comparison, Cost, Pair
from glioray.evaluation.comparing.summary import summary
from glioray.registry.bundle import Score

LEAK = "leaky: 2 of 3 test images have a copy in training"


def model(name: str, dice: float) -> Compared:
    score = Score(
        name="dice", value=dice, low=dice - 0.1, high=dice + 0.05, split="test", units=30, unit="patients", seed=3
    )
    return Compared(
        name=name,
        runs=(name,),
        architecture="classic_unet",
        image_size=16,
        seed=3,
        trained_on_fingerprint="aaa",
        tested_on_fingerprint="aaa",
        scores=(score, score.model_copy(update={"name": "dice/edema"})),
        cost=Cost(parameters=int(1e6 * dice), megabytes=4 * dice, seconds=0.1 * dice),
        unbeaten=("parameters",),
    )


def pair(first: str, second: str, gap: float, p: float) -> Pair:
    same = Agreement(value=0.8, low=0.7, high=0.9)
    return Pair(
        first=first, second=second, difference=gap, low=gap - 0.1, high=gap + 0.1, p=p, p_holm=p, agreement=same
    )


def comparison(*pairs: Pair, **changes: object) -> Comparison:
    names = list(dict.fromkeys(name for one in pairs for name in (one.first, one.second)))
    return Comparison(
        **EXAMINED,
        rows=300,
        units=30,
        figure="dice",
        test="permutation",
        smallest_p=0.0002,
        timed_on="CPU",
        models=tuple(model(name, 0.5 + 0.1 * place) for place, name in enumerate(names)),
        pairs=pairs,
    ).model_copy(update=changes)


def test_the_verdict_names_who_is_better():
    found = comparison(pair("a", "b", -0.2, 0.01), pair("a", "c", 0.3, 0.02), pair("b", "c", 0.1, 0.3))

    assert verdict(found) == (
        "Of 3 pairs, 2 differ in Dice by more than chance explains (p < 0.05, Holm), over 30 patients: b is better "
        "than a; a is better than c."
    )


def test_the_verdict_on_two_models_counts_no_pairs():
    assert verdict(comparison(pair("a", "b", -0.2, 0.01))).startswith("b is better than a in Dice by more than")


def test_the_verdict_on_models_that_are_not_told_apart_does_not_call_them_equal():
    assert verdict(comparison(pair("a", "b", 0.1, 0.3))).startswith("The two do not differ in Dice by more than")
    assert "does not prove them equal" in verdict(comparison(pair("a", "b", 0.1, 0.3)))


def test_the_verdict_on_few_patients_says_that_nothing_can_be_told():
    found = comparison(pair("a", "b", 0.5, 0.125), units=4, smallest_p=0.125)

    assert verdict(found) == (
        "4 patients are too few to tell these models apart: whatever they answer, p cannot come below 0.125 for 1 "
        "pair. Compare more patients."
    )


def test_the_verdict_on_many_pairs_of_few_patients_asks_for_fewer():
    found = comparison(*(pair("a", name, 0.5, 0.05) for name in "bcdefg"), units=7, smallest_p=2 / 128)

    assert verdict(found).endswith("below 0.0938 for 6 pairs. Compare more patients or fewer models.")


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.0321, "0.032"), (1.0, "1.000")])
def test_a_p_value_is_never_zero(p, text):
    assert p_text(p) == text


def test_a_difference_stands_with_its_sign_and_its_interval():
    assert gap_text(pair("a", "b", 0.05, 1)) == "+0.050 [-0.050,\u00a0+0.150]"
    assert gap_text(pair("a", "b", -0.05, 1).model_copy(update={"low": None, "high": None})) == "-0.050"


def test_the_score_that_is_compared_stands_first():
    table = score_table(comparison(pair("a", "b", 0.1, 0.3)))

    assert table.header == ("model", "Dice, mean")
    assert table.rows[0] == ("a", "0.500 [0.400,\u00a00.550]")


def test_the_lines_of_a_terminal_say_split_units_interval_seed_and_leak():
    lines = summary(comparison(pair("a", "b", 0.1, 0.3), leak=LEAK))

    assert lines["a"] == f"dice 0.500 [0.400, 0.550], test, 30 patients, seed 3 ({LEAK})"
    assert lines["a − b"] == f"+0.100 [+0.000,\u00a0+0.200], p 0.300 by Holm ({LEAK})"


def test_the_page_escapes_names_and_warns_of_what_must_not_be_believed(tmp_path):
    found = comparison(pair("<b>a</b>", "b", 0.1, 0.3), synthetic=True, leak=LEAK, side="val", units=4)
    cases = (Case("case <1>", (Tile(b"png", "scan"), Tile(b"png", "<b>a</b>", "Dice 0.50"))),)

    write_page(found, Material("dice", (), (), {}, cases, "", {"patients.csv": None}), tmp_path)

    text = (tmp_path / "compare.html").read_text()
    assert "<b>a</b>" not in text
    assert "case &lt;1&gt;" in text
    for line in ("SYNTHETIC", LEAK, "Not the test side", "4 patients: so few", "Not a medical device"):
        assert line in text
    assert "patients.csv" in text
