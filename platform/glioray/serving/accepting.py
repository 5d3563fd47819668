"""Which of the forms of an answer a client would like best (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str, forms: Sequence[str]) -> str:
    """The form of the highest quality, the first offered of equal ones; the first too where none is accepted.

    Args:
        accept: the header; a wildcard gets the first form that it fits.
        forms: media types, the usual one first.
    """
    wished = [_parsed(part) for part in accept.split(",") if part.strip()]
    best, best_quality = forms[0], 0.0
    for form in forms:
        quality = _quality(form, wished)
        if quality > best_quality:
            best, best_quality = form, quality
    return best


def _quality(form: str, wished: Sequence[tuple[str, float]]) -> float:
    """By the most exact range that fits: a type before all of its kind, and that before everything."""
    for pattern in (form, f"{form.split('/')[0]}/*", "*/*"):
        for media_range, quality in wished:
            if media_range == pattern:
                return quality
    return 0.0


def _parsed(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media_range, float(value)
            except ValueError:
                return media_range, 0.0
    return media_range, 1.0
