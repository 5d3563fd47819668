"""Where an evaluation lies if nobody says where, and what must not be lost there."""

from __future__ import annotations

from pathlib import Path

from glioray.data.folder import check_output
from glioray.data.records import Side
from glioray.errors import DataError
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.result import Evaluation
from glioray.evaluation.run import OWN_NAMES
from glioray.evaluation.tested import open_data


def default_folder(entry: Entry, side: Side) -> Path:
    """`evaluation` is of the test side, `evaluation-val` of another."""
    folder = entry.found.evaluation_folder
    return folder if side == "test" else folder.with_name(f"{folder.name}-{side}")


def require_default(entry: Entry, data: Path, side: Side) -> Path:
    """The default folder, where nothing is lost: at most an older evaluation of the same model on the same data.

    Raises:
        DataError: it holds an evaluation of another model, of other data, or something else.
    """
    folder = default_folder(entry, side)
    check_output(folder, OWN_NAMES)
    older, config = _older(folder), entry.config
    if older is None:
        return folder
    fingerprint = open_data(data, config).manifest.fingerprint
    pairs = {
        "data": (older.data_fingerprint, fingerprint),
        "side": (older.side, side),
        "model": (older.model, config.architecture),
        "training data": (older.trained_on_fingerprint, config.data_fingerprint),
        "seed": (older.seed, config.seed),
    }
    for what, (before, now) in pairs.items():
        if before != now:
            raise DataError(
                f"{folder}: holds an evaluation whose {what} is {before!r}, which would be lost; of this one it is "
                f"{now!r}. Evaluate {entry.name} alone and give a new folder as --out, or move the older one away"
            )
    return folder


def _older(folder: Path) -> Evaluation | None:
    """None too where it cannot be read: the advice is then to evaluate again."""
    try:
        return Evaluation.load(folder)
    except DataError:
        return None
