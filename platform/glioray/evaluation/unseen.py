"""Refuses to score a model on scans that it has learned from."""

from __future__ import annotations

from glioray.data.prepared import PreparedDataset
from glioray.data.records import Side
from glioray.errors import ModelError
from glioray.registry.bundle import BundleConfig


def require_unseen(name: str, config: BundleConfig, dataset: PreparedDataset, side: Side) -> None:
    """Compares the contents of the side's scans with those of the model's train and val sides.

    Of the model's own split, val is marked on every page for what it is, and a published split carries its leak line:
    neither is refused here.

    Args:
        name: of the model, for the text of the error.
        config: of its bundle.
        dataset: in the view of the model's fold.
        side: that is to be scored.

    Raises:
        ModelError: it has learned from a scan of the side.
    """
    is_own = dataset.manifest.fingerprint == config.data_fingerprint
    if is_own and (side != "test" or dataset.manifest.leak):
        return
    scans = dataset.case_hashes(side)
    known = scans & set(config.learned_from)
    if known:
        raise ModelError(
            f"{name}: has learned from {len(known)} of the {len(scans)} scans of {dataset.folder}, side {side}: its "
            "score there would be too good. Give data that it has not seen as --data"
        )
