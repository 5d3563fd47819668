"""What a comparison came to, as lines of a terminal."""

from __future__ import annotations

from glioray.evaluation.comparing.page import gap_text, p_text
from glioray.evaluation.comparing.result import Comparison
from glioray.registry.card import describe


def summary(found: Comparison) -> dict[str, str]:
    """A line a model and a line a pair; every score says its split, units, interval, seed, and its leak."""
    lines = {}
    for model in found.models:
        score = model.score(found.figure)
        assert score is not None
        lines[model.name] = f"{found.figure} {describe(score, found.leak)}"
    for pair in found.pairs:
        leak = f" ({found.leak})" if found.leak else ""
        lines[f"{pair.first} − {pair.second}"] = f"{gap_text(pair)}, p {p_text(pair.p_holm)} by Holm{leak}"
    return lines
