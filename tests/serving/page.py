"""What a test does with the page again and again."""

from __future__ import annotations

import pytest
from tests.serving.browser import find_browser

BROWSER = find_browser()
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome is installed to open the page")
ANSWERED = "document.querySelector('#result').checkVisibility()"


def words(name):
    """Of a class, as the page has it."""
    return "no tumor" if name == "notumor" else name


def choose_model(tab, name):
    script = f"at('model').value = '{name}@1'; at('model').dispatchEvent(new Event('change'))"
    tab.run(script)


def open_volume(tab, paths):
    """Dropped, and answered."""
    choose_model(tab, "regions")
    tab.drop("#drop", paths)
    tab.wait(ANSWERED)
