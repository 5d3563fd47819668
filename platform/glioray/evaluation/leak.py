"""Whether a model has learned from the scans that it is tested on, by the hashes of their contents.

Scans of train and val are learned from. A model may be asked about the sides of its own split, which are marked for
what they are; of any other data, and of a test side whose scans it has seen, the scores would be too good.
"""

from __future__ import annotations

from collections.abc import Sequence

from glioray.errors import LeakError
from glioray.evaluation.side import SideRows
from glioray.registry.bundle import BundleConfig


def leak_line(tested: Sequence[tuple[BundleConfig, SideRows]]) -> str | None:
    """Why the figures are too good: a published split, or scans that the model has learned from.

    Args:
        tested: of each model, the side that it is asked about; one, or the same side of all folds.
    """
    rows = tested[0][1]
    of_split = rows.dataset.manifest.leak
    published = str(of_split) if of_split and rows.side == "test" else None
    num_learned, num_scans = _learned(tested)
    return f"leaky: it was trained on {num_learned} of the {num_scans} scans" if num_learned else published


def require_unseen(name: str, config: BundleConfig, rows: SideRows, otherwise: str = "") -> None:
    """Refuses a side that has scans of the model's training, but for the sides of its own split.

    Args:
        name: of the model, for the text of the error.
        config: of its bundle.
        rows: of the side, in the view of the model's fold.
        otherwise: what can be done instead of giving other scans.

    Raises:
        LeakError: it has; with their number and what to do.
    """
    num_learned, num_scans = _learned([(config, rows)])
    if num_learned:
        raise LeakError(
            f"{rows.dataset.folder}: {name} was trained on {num_learned} of the {num_scans} scans of the "
            f"{rows.side} side ({_first(config, rows)!r} is one), so that its scores would be too good. Give scans "
            f"that it has not seen as --data{otherwise}"
        )


def _learned(tested: Sequence[tuple[BundleConfig, SideRows]]) -> tuple[int, int]:
    """How many of the scans were learned from, of how many; of the sides of a model's own split none is counted.

    An average of folds has seen every patient of data whose fingerprint it carries, so that of a test side scans are
    looked at always, but where a published split says more.
    """
    rows = tested[0][1]
    is_own = all(side.dataset.manifest.fingerprint == config.data_fingerprint for config, side in tested)
    cases = [side.dataset.case_hashes(side.side) for _, side in tested]
    num_scans = sum(map(len, cases))
    if is_own and (rows.dataset.manifest.leak or rows.side != "test"):
        return 0, num_scans
    return sum(len(own & set(config.learned_from)) for own, (config, _) in zip(cases, tested, strict=True)), num_scans


def _first(config: BundleConfig, rows: SideRows) -> str:
    """The first file of the side that was learned from."""
    learned = set(config.learned_from)
    hashes = rows.case_hashes()
    return next(row.source for row, case_hash in zip(rows.identity, hashes, strict=True) if case_hash in learned)
