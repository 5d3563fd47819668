from __future__ import annotations

import pytest

from glioray.serving.accepting import preferred

FORMS = ("application/json", "application/gzip", "image/png")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("application/json;q=0.5, application/gzip", "application/gzip"),
        ("application/gzip;q=0.2, image/png;q=0.1", "application/gzip"),
        ("application/*, application/json;q=0.1", "application/gzip"),
        ("image/png;q=0, */*;q=0.1", "application/json"),
        ("image/png;q=nonsense", "application/json"),
        (",;,;=", "application/json"),
    ],
)
def test_the_form_is_the_one_of_the_highest_quality_and_the_first_where_none_is_known(accept, form):
    assert preferred(accept, FORMS) == form
