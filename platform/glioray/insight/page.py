"""`explain.html`: one file, readable without a network."""

from __future__ import annotations

from collections.abc import Sequence

from glioray import pages
from glioray.insight.result import Section
from glioray.registry.bundle import BundleConfig
from glioray.registry.card import NOT_A_DEVICE, seed_text

FILE_NAME = "explain.html"


def draw_page(config: BundleConfig, sections: Sequence[Section]) -> str:
    """The page as HTML, its pictures inside."""
    return pages.render(
        "glioray.insight",
        "page.html.j2",
        {"data_uri": pages.data_uri},
        style=pages.family_style(),
        not_a_device=NOT_A_DEVICE,
        config=config,
        seed=seed_text(config.seed),
        sections=sections,
    )
