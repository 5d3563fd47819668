"""A folder of images, or a prepared one, audited: `audit.json` and `audit.html`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import Field

import glioray
from glioray.audit.copies import find
from glioray.audit.folder import read_folder
from glioray.audit.page import FILE_NAME as PAGE
from glioray.audit.page import draw_page
from glioray.audit.pictures import Pictures
from glioray.audit.prepared import read_prepared
from glioray.audit.random_labels import random_labels
from glioray.audit.result import FILE_NAME as RESULT
from glioray.audit.result import Audit
from glioray.audit.shortcuts import measure_shortcuts
from glioray.audit.summary import summarize
from glioray.data.manifest import FILE_NAME as MANIFEST
from glioray.data.progress import OnProgress, silent
from glioray.errors import DataError
from glioray.frozen import Frozen
from glioray.training.record import write_at_once


class AuditOptions(Frozen):
    """What is asked of an audit."""

    random_labels: bool = Field(False, description="also train on labels that mean nothing; a prepared folder only")
    epochs: int = Field(10, ge=1, le=1000, description="of each training on random labels")
    seed: int = Field(0, ge=0, lt=2**31, description="of the pairs shown, the folds and the random labels")


def audit(folder: Path, out: Path, options: AuditOptions, on_progress: OnProgress | None = None) -> Audit:
    """Looks for copies, contradictions and shortcuts, and writes what it found to OUT.

    Args:
        folder: of picture files, in folders by class and side where there are such; or a prepared one.
        out: folder of `audit.json` and `audit.html`, made where it is not there.
        options: what is asked.
        on_progress: called with (stage, done, total); stages are read, compare, shortcuts, random labels.

    Raises:
        DataError: there is nothing to audit; or random labels are asked for where they cannot be trained on.
    """
    tell = on_progress or silent
    is_prepared = (folder / MANIFEST).is_file()
    _check(folder, out, options, is_prepared)
    pictures = read_prepared(folder, tell) if is_prepared else read_folder(folder, tell)
    found = find(pictures, options.seed, tell)
    trained = random_labels(folder, options.epochs, options.seed, tell) if options.random_labels else None
    result = Audit(
        folder=str(folder),
        what=pictures.what,
        glioray_version=glioray.__version__,
        images=len(pictures.rows),
        labels=_counts(pictures, "label"),
        sides=_counts(pictures, "side"),
        patients=len({row.patient for row in pictures.rows} - {None}),
        copies=summarize(pictures, found),
        shortcuts=measure_shortcuts(pictures, found.groups.whole, options.seed, tell),
        random_labels=trained,
        refused=pictures.refused,
        remarks=pictures.remarks,
    )
    _write(out, result, draw_page(result, pictures, found))
    return result


def _check(folder: Path, out: Path, options: AuditOptions, is_prepared: bool) -> None:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give a folder of images or one that `glioray prepare` made.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is not a folder. Give another --out.")
    if out.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{out}: lies in the folder that is audited. Give an --out outside of {folder}.")
    if options.random_labels and not is_prepared:
        raise DataError(
            f"{folder}: random labels are trained on prepared images. Prepare it, then audit what was prepared: "
            f"glioray prepare SOURCE {folder} --out DIR && glioray audit DIR --random-labels"
        )


def _counts(pictures: Pictures, name: str) -> dict[str, int]:
    counts = Counter(getattr(row, name) for row in pictures.rows)
    order = pictures.sides if name == "side" else pictures.classes
    return {value: counts[value] for value in order}


def _write(out: Path, result: Audit, page: str) -> None:
    """Each file at once; the page first, so that who finds the figures finds the page of them."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_at_once(out / PAGE, page.encode())
        write_at_once(out / RESULT, (result.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}). Give another --out.") from None
