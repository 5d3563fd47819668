"""Looks inside a model and writes OUT whole or not at all: `explain.html`, `explain.json`, `pictures/`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.data.folder import atomic_folder, check_output
from glioray.data.place import local_folder
from glioray.data.progress import OnProgress
from glioray.data.records import Side
from glioray.errors import ModelError, RequestError
from glioray.evaluation.device import require_device
from glioray.insight import classifier, over_epochs, segmenter
from glioray.insight.inside import kernels_of
from glioray.insight.page import FILE_NAME, draw_page
from glioray.insight.reading import read_subjects
from glioray.insight.result import Section
from glioray.insight.rows import subjects_of
from glioray.insight.subject import Subject
from glioray.registry.card import seed_text
from glioray.registry.locate import Located
from glioray.serving.predictor import Predictor

FACTS, PICTURES = "explain.json", "pictures"
OWN_NAMES = (FACTS, FILE_NAME, PICTURES)
MOST_SUBJECTS = 12


@dataclass(frozen=True)
class Asked:
    """What is to be looked at: files with their truths, rows of a data set, the epochs of a run."""

    files: Sequence[Path] = ()
    truths: Sequence[str] = ()
    data: Path | None = None
    side: Side = "val"
    rows: int = 0
    epochs: bool = False


def default_folder(found: Located, reference: str) -> Path:
    """`explanation` in a run's folder or beside a bundle; of a published model `explanations/NAME@VERSION`."""
    if found.path is None:
        return Path("explanations") / Path(reference).name
    return found.evaluation_folder.with_name("explanation")


def explain(found: Located, asked: Asked, out: Path, device: str, on_progress: OnProgress) -> dict[str, Any]:
    """Looks at what is asked for; gives what stands in `explain.json`.

    Args:
        found: the model.
        asked: what to look at; something at least.
        out: new, empty, or written so before, then replaced.
        device: cpu or cuda.
        on_progress: called with (stage, done, in all).

    Raises:
        RequestError: nothing is asked for, or too much.
        GliorayError: a file, the data or the network do not allow it; one line says which and why.
    """
    _check(asked)
    check_output(out, OWN_NAMES)
    predictor = Predictor.load(found.bundle, require_device(device))
    config = found.bundle.config
    subjects = read_subjects(predictor, asked.files, asked.truths)
    if asked.rows:
        subjects += subjects_of(config, _data(found, asked), asked.side, asked.rows)
    with atomic_folder(out) as partial:
        folder = partial / PICTURES
        folder.mkdir()
        sections = _sections(predictor, subjects, folder, on_progress)
        if asked.epochs:
            sections.append(over_epochs.look(found, _data(found, asked), asked.side, on_progress))
        for picture in (picture for section in sections for picture in section.pictures):
            (folder / picture.name).write_bytes(picture.content)
        facts = _facts(found, sections)
        (partial / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        (partial / FILE_NAME).write_text(draw_page(config, sections), encoding="utf-8")
    return facts


def summary(facts: dict[str, Any]) -> dict[str, str]:
    """A few words on each image, for a person at a terminal."""
    lines = {}
    for section in facts["sections"]:
        if "answer" in section:
            truth = f", truth {section['truth']}" if "truth" in section else ""
            about = f"; {section['about']}" if section["about"] else ""
            lines[section["name"]] = f"{section['answer']} {section['confidence']:.1%}{truth}{about}"
        if "pixels" in section:
            found = [f"{name} {pixels} px{_dice(section, name)}" for name, pixels in section["pixels"].items()]
            of = f"; {section['about']}; one case, {seed_text(facts['seed'])}" if "dice" in section else ""
            lines[section["name"]] = ", ".join(found) + of
    return lines


def _dice(section: dict[str, Any], name: str) -> str:
    value = section.get("dice", {}).get(name)
    return "" if value is None else f" (Dice {value:.3f})"


def _check(asked: Asked) -> None:
    if not (asked.files or asked.rows or asked.epochs):
        raise RequestError("nothing to look at: give an IMAGE, or --rows N of the data, or --epochs of a run")
    if (num := len(asked.files) + asked.rows) > MOST_SUBJECTS:
        raise RequestError(f"{num} images are asked for; at most {MOST_SUBJECTS} fit on one page")


def _sections(
    predictor: Predictor, subjects: Sequence[Subject], folder: Path, on_progress: OnProgress
) -> list[Section]:
    is_classifier = predictor.config.contents.task == "classification"
    notice = _notice(predictor)
    sections = []
    for number, subject in enumerate(subjects, 1):
        name = f"{number:02d}"
        sections.append(
            classifier.look(predictor, subject, name)
            if is_classifier
            else segmenter.look(predictor, subject, name, folder, notice)
        )
        on_progress("images", number, len(subjects))
    try:
        return [*sections, kernels_of(predictor)]
    except ModelError:  # its maps have been shown; a network of 1x1 convolutions alone has no kernels to look at
        return sections


def _notice(predictor: Predictor) -> str:
    """Short enough for a film."""
    return ("SYNTHETIC data. " if predictor.config.contents.synthetic else "") + "Research use only"


def _data(found: Located, asked: Asked) -> Path:
    return asked.data or local_folder(found.bundle.config.data_place)


def _facts(found: Located, sections: Sequence[Section]) -> dict[str, Any]:
    config = found.bundle.config
    looked = [
        {"name": section.title, "about": section.about, **section.facts, "pictures": [p.name for p in section.pictures]}
        for section in sections
    ]
    return {
        "model": config.architecture,
        "task": config.contents.task,
        "seed": config.seed,
        "data_fingerprint": config.data_fingerprint,
        "synthetic": config.contents.synthetic,
        "leak": config.leak,
        "sections": _plain(looked),
    }


def _plain(value: Any) -> Any:
    """JSON has no NaN: a figure that is not defined is null."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
