from __future__ import annotations

import pytest

from glioray.data.page.svg import Axis, Plot, ticks


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 10) == [0, 5, 10]
    assert ticks(13, 47) == [20, 30, 40]
    assert ticks(5, 5) == [5]


def test_ticks_of_a_log_axis_are_one_two_five() -> None:
    assert Axis(140, 2100, "px", is_log=True).ticks() == [200, 500, 1000, 2000]


@pytest.mark.parametrize("is_log", [False, True])
def test_the_ends_of_an_axis_are_the_ends_of_the_plot(is_log) -> None:
    axis = Axis(10, 1000, "px", is_log)
    assert (axis.share(10), axis.share(1000)) == (0, 1)


def test_names_are_no_markup() -> None:
    plot = Plot(Axis(0, 1, "<x>"), Axis(0, 1, "y"), "<script>a</script>")
    drawn = plot.draw([plot.dot(0.5, 0.5, 2, "dot", "<b>tip</b>")])
    assert "<script" not in drawn
    assert "<b>" not in drawn


def test_a_line_is_cut_at_the_top() -> None:
    plot = Plot(Axis(0, 1, "x"), Axis(0, 10, "y"), "title")
    assert plot.line([0, 1], [5, 99], "p0") == plot.line([0, 1], [5, 10], "p0")
