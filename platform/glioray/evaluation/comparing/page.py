"""`compare.html`: who is better, by how much, at which cost, and where they disagree; one file, no scripts."""

from __future__ import annotations

from pathlib import Path

from glioray import pages
from glioray.evaluation.comparing import plots
from glioray.evaluation.comparing.material import Material
from glioray.evaluation.comparing.result import LEVEL, Comparison, Pair
from glioray.evaluation.findings import Table, interval_text
from glioray.evaluation.report import HEADINGS
from glioray.registry.card import NOT_A_DEVICE, seed_text
from glioray.serving.drawing import colors_of

FILE_NAME = "compare.html"
FEWEST_UNITS = 10
_SHOWN = ("accuracy", "balanced_accuracy", "f1", "dice", "median_dice", "region_dice", "iou", "hd95_mm", "hd95_px")
_BY_OUTPUT = {"classification": "recall", "segmentation": "dice"}


def write_page(found: Comparison, material: Material, folder: Path) -> None:
    """Writes the page; the folder is still the temporary one of its writer."""
    labels = {name: place + 1 for place, name in enumerate(found.outputs)} if found.task == "segmentation" else {}
    text = pages.render(
        "glioray.evaluation.comparing",
        "page.html.j2",
        {"data_uri": pages.data_uri, "seed_text": seed_text, "counted": pages.counted, "p_text": p_text},
        style=pages.family_style(),
        not_a_device=NOT_A_DEVICE,
        found=found,
        figure=name_of(found.figure),
        verdict=verdict(found),
        scores=score_table(found),
        by_output=output_table(found),
        forest=plots.forest(found, f"Differences in {name_of(found.figure)}"),
        patients=plots.by_unit(material.by_unit, name_of(found.figure)) if material.by_unit else None,
        costs=plots.against_costs(found, name_of(found.figure)),
        color_of=plots.color_of,
        cases=material.cases,
        cases_text=material.cases_text,
        label_colors=colors_of(labels),
        tables=sorted(material.tables),
        level=LEVEL,
        few=FEWEST_UNITS,
        gap_text=gap_text,
    )
    (folder / FILE_NAME).write_text(text, encoding="utf-8")


def name_of(figure: str) -> str:
    """A figure in words, as at the head of a column."""
    return HEADINGS[figure].lower().replace("dice", "Dice").removesuffix(", mean")


def verdict(found: Comparison) -> str:
    """What the tests came to, in a sentence or two."""
    over = pages.counted(found.units, found.unit)
    if not found.can_differ:
        least = min(1.0, found.smallest_p * len(found.pairs))
        fewer = " or fewer models" if found.smallest_p < LEVEL else ""
        return (
            f"{over.capitalize()} are too few to tell these models apart: whatever they answer, p cannot come below "
            f"{least:.3g} for {pages.counted(len(found.pairs), 'pairs')}. Compare more {found.unit}{fewer}."
        )
    differing = [pair for pair in found.pairs if pair.differs]
    what = f"in {name_of(found.figure)} by more than chance explains (p < {LEVEL:g}, Holm), over {over}"
    if not differing:
        who = "The two do not differ" if len(found.pairs) == 1 else f"Of {len(found.pairs)} pairs, none differs"
        return f"{who} {what}. That does not prove them equal: the intervals say how far apart they may be."
    better = "; ".join(_better(pair) for pair in differing)
    if len(found.pairs) == 1:
        return f"{better} {what}."
    return f"Of {len(found.pairs)} pairs, {len(differing)} differ{'s' * (len(differing) == 1)} {what}: {better}."


def gap_text(pair: Pair) -> str:
    """`+0.033 [+0.010, +0.056]`."""
    ends = "" if pair.low is None or pair.high is None else f" [{pair.low:+.3f},\u00a0{pair.high:+.3f}]"
    return f"{pair.difference:+.3f}{ends}"


def p_text(p: float) -> str:
    """`0.0321`, `0.002`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def score_table(found: Comparison) -> Table:
    """A row a model with the figures to say first."""
    names = [name for name in _SHOWN if any(model.score(name) for model in found.models)]
    names.sort(key=lambda name: name != found.figure)
    rows = [(model.name, *(interval_text(model.scores, name) for name in names)) for model in found.models]
    return Table(("model", *(HEADINGS[name] for name in names)), tuple(rows))


def output_table(found: Comparison) -> Table:
    """A row a class, label or region: what a mean would hide."""
    prefix = f"{_BY_OUTPUT[found.task]}/"
    names = dict.fromkeys(
        score.name for model in found.models for score in model.scores if score.name.startswith(prefix)
    )
    rows = [
        (name.removeprefix(prefix), *(interval_text(model.scores, name) for model in found.models)) for name in names
    ]
    return Table((_BY_OUTPUT[found.task], *(model.name for model in found.models)), tuple(rows))


def _better(pair: Pair) -> str:
    one, other = (pair.first, pair.second) if pair.difference > 0 else (pair.second, pair.first)
    return f"{one} is better than {other}"
