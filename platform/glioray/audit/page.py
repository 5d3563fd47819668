"""`audit.html`: one page, readable offline, on which a person sees the pairs and judges for themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glioray import pages
from glioray.audit.copies import CONTRAST, FILE, KINDS, Found
from glioray.audit.pictures import PICTURE_PX, Pictures
from glioray.audit.result import Audit, Pair, Shortcut
from glioray.audit.summary import conflicting
from glioray.data.duplicates import SYMMETRIES, apply_symmetry
from glioray.data.grouping import NESTED_SHARE
from glioray.evaluation.findings import interval_text
from glioray.registry.bundle import Score
from glioray.registry.card import NOT_A_DEVICE, describe

FILE_NAME = "audit.html"
MOST_CONFLICTS, PICTURES_A_CONFLICT = 24, 8
MOST_REFUSED = 200
QUALITY = 85
Drawn = Mapping[int, NDArray[np.uint8]]


def draw_page(audit: Audit, pictures: Pictures, found: Found) -> str:
    """The page as HTML, its pictures inside; the same audit gives the same bytes."""
    conflicts = conflicting(pictures, found)[:MOST_CONFLICTS]
    wanted = {int(row) for index, _ in found.shown for row in found.pairs[index]}
    wanted |= {row for rows in conflicts for row in rows[:PICTURES_A_CONFLICT]}
    drawn = pictures.draw(sorted(wanted))
    return pages.render(
        "glioray.audit",
        "page.html.j2",
        audit=audit,
        style=pages.family_style(),
        notice=NOT_A_DEVICE,
        kinds=[
            (audit.copies.kinds[number], _pairs(audit, found, drawn, number)) for number in _looked_for(audit, pictures)
        ],
        conflicts=[_conflict(audit, number, rows, drawn) for number, rows in enumerate(conflicts)],
        shortcuts=[_bar(one) for one in audit.shortcuts.found],
        random_lines=_random_lines(audit),
        most_refused=MOST_REFUSED,
        nested_share=NESTED_SHARE,
    )


def _looked_for(audit: Audit, pictures: Pictures) -> list[int]:
    """Kinds that could be found: a prepared row has no file of its own, and volumes no view by rank."""
    has_files = any(row.file_hash for row in pictures.rows)
    passed_over = {FILE: not has_files, CONTRAST: audit.copies.is_volumes}
    return [number for number in range(len(KINDS)) if not passed_over.get(number)]


def _pairs(audit: Audit, found: Found, drawn: Drawn, kind: int) -> list[dict[str, Any]]:
    shown = zip(found.shown, audit.copies.shown, strict=True)
    return [_pair(pair, found.pairs[index].tolist(), drawn) for (index, _), pair in shown if pair.kind == KINDS[kind]]


def _pair(pair: Pair, rows: Sequence[int], drawn: Drawn) -> dict[str, Any]:
    """Both as they are, and where one is mirrored or turned the second laid as the first."""
    first, second = (drawn[row] for row in rows)
    strip = [_square(first), _square(second)]
    symmetry = SYMMETRIES.index(pair.symmetry)
    if symmetry:
        strip.append(_square(apply_symmetry(second, symmetry)))
    return {"pair": pair, "picture": _strip(strip), "has_third": bool(symmetry)}


def _conflict(audit: Audit, number: int, rows: Sequence[int], drawn: Drawn) -> dict[str, Any]:
    members = audit.copies.conflicts[number]
    shown = [_square(drawn[row]) for row in rows[:PICTURES_A_CONFLICT]]
    return {"members": members, "picture": _strip(shown), "left_out": len(rows) - len(shown)}


def _square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """In the middle of a black square."""
    height, width = picture.shape
    square = np.zeros((PICTURE_PX, PICTURE_PX), dtype=np.uint8)
    top, left = (PICTURE_PX - height) // 2, (PICTURE_PX - width) // 2
    square[top : top + height, left : left + width] = picture
    return square


def _strip(squares: Sequence[NDArray[np.uint8]]) -> str:
    """Side by side, as a data address."""
    gap = np.full((PICTURE_PX, 3), 253, dtype=np.uint8)
    line = [part for square in squares for part in (square, gap)][:-1]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(line, axis=1)).save(stream, format="JPEG", quality=QUALITY)
    return pages.data_uri(stream.getvalue(), "jpeg")


def _bar(shortcut: Shortcut) -> dict[str, Any]:
    return {"shortcut": shortcut, "accuracy": _interval(shortcut.accuracy), "balanced": shortcut.balanced_accuracy}


def _random_lines(audit: Audit) -> list[dict[str, Any]]:
    if audit.random_labels is None:
        return []
    lines = (audit.random_labels.by_group, audit.random_labels.by_image)
    return [
        {"line": line, "accuracy": _interval(line.accuracy), "text": describe(line.accuracy, line.leak)}
        for line in lines
    ]


def _interval(score: Score) -> dict[str, Any]:
    """In percent, for a bar with its whisker; in words, as `0.512 [0.449, 0.576]`."""
    low, high = score.ends or (score.value, score.value)
    words = interval_text([score], score.name)
    return {"value": 100 * score.value, "low": 100 * low, "high": 100 * high, "words": words}
