from __future__ import annotations

import re

import numpy as np

from glioray.data.page.figures import intensity_plots, size_names_class, size_plots, value_plot


def test_size_tells_no_class_when_all_are_of_one_size(make_table) -> None:
    table = make_table([None] * 4, labels=[0, 0, 0, 1])
    assert size_plots(table, ("a", "b")) == []
    assert size_names_class(table) == 0.75


def test_an_image_is_not_judged_by_itself(make_table) -> None:
    # Each size stands once, so that it says nothing: the commonest class is right in three of four.
    table = make_table([None] * 4, labels=[0, 0, 0, 1], sizes_px=[(1, 9), (2, 9), (3, 9), (4, 9)])
    assert size_names_class(table) == 0.75


def test_slices_of_one_patient_do_not_tell_each_others_class(make_table) -> None:
    table = make_table(
        ["A", "A", "B", "B", "C"], labels=[0, 0, 1, 1, 0], sizes_px=[(8, 8)] * 2 + [(9, 9)] * 2 + [(7, 7)]
    )
    assert size_names_class(table) == 0.6


def test_sizes_that_stand_for_a_class_give_it_away(make_table) -> None:
    table = make_table([None] * 6, labels=[0, 0, 0, 1, 1, 1], sizes_px=[(512, 512)] * 3 + [(200, 210)] * 3)
    assert size_names_class(table) == 1
    assert len(size_plots(table, ("a", "b"))) == 2


def test_volumes_have_no_class_that_a_size_could_tell(make_table) -> None:
    assert size_names_class(make_table(["A", "A"], label_pixels=[[0], [1]])) is None


def test_a_dot_says_how_many_images_are_of_its_size(make_table) -> None:
    table = make_table([None] * 3, labels=[0, 0, 0], sizes_px=[(512, 256), (512, 256), (100, 100)])
    assert "about 256 x 512 px: 2" in size_plots(table, ("a",))[0]


def test_sizes_that_are_near_each_other_fill_the_plot(make_table) -> None:
    table = make_table([None] * 2, labels=[0, 0], sizes_px=[(160, 160), (160, 128)])
    (plot,) = size_plots(table, ("a",))
    assert ">0<" not in plot
    lefts = [float(left) for left in re.findall(r'class="dot k0" cx="([\d.]+)"', plot)]
    assert abs(lefts[0] - lefts[1]) > 100


def test_the_background_is_left_out_of_the_intensities() -> None:
    counts = np.zeros((1, 256), dtype=np.int64)
    counts[0, 100:200] = 5
    alone = intensity_plots({"train": counts}, ("flair",))
    counts[0, 0] = 10**9
    assert intensity_plots({"train": counts}, ("flair",)) == alone


def test_parts_of_equal_shape_draw_equal_lines() -> None:
    counts = np.arange(256, dtype=np.int64)[None]
    (plot,) = intensity_plots({"train": counts, "val": 7 * counts}, ("flair",))
    lines = re.findall(r'points="([^"]+)"', plot)
    assert len(lines) == 2
    assert lines[0] == lines[1]


def test_no_histograms_make_no_figure() -> None:
    assert intensity_plots({}, ("flair",)) == []


def test_bins_of_a_histogram_are_round_and_hold_everybody() -> None:
    counts = re.findall(r"<title>([^<]+)</title>", value_plot([41, 44, 58, 102], "years", "age"))
    assert counts == ["40 to 45: 2", "55 to 60: 1", "100 to 105: 1"]


def test_equal_values_make_one_bar() -> None:
    assert value_plot([50.0, 50.0, 50.0], "years", "age").count("<rect") == 1
