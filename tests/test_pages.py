from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from glioray.pages import _environment, counted, duration, render


def test_one_of_many_is_no_plural() -> None:
    assert [counted(amount, "patients") for amount in (0, 1, 1200)] == ["0 patients", "1 patient", "1,200 patients"]


def test_a_time_is_told_in_the_unit_that_fits() -> None:
    assert [duration(seconds) for seconds in (0.4, 119, 720, 12_240)] == ["0 s", "119 s", "12 min", "3.4 h"]


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("glioray.demo", "page.html.j2")


def test_a_value_in_a_page_is_text_and_no_markup() -> None:
    assert _environment("glioray.demo").from_string("{{ name }}").render(name="<script>") == "&lt;script&gt;"
