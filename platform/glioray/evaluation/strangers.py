"""How many images of a side the model would flag as unlike those that it learned from.

Shapes: N rows, U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glioray.evaluation.findings import Findings, Section
from glioray.evaluation.pool import Pool
from glioray.evaluation.scoring import Circumstances, pooled_scores
from glioray.evaluation.side import SideRows
from glioray.serving.domain import KNOWN_SHARE
from glioray.serving.predictor import Predictor

FLAGGED = "flagged"


def strangers(predictor: Predictor, rows: SideRows, batch_size: int) -> Tensor | None:
    """(N,) whether each row of a side would be flagged; none where the model does not know what it knows."""
    if predictor.domain is None:
        return None
    distances = [predictor.domain.distance(batch["image"]) for batch in rows.batches(batch_size)]
    return torch.cat(distances) > 1


def with_strangers(
    findings: Findings, flagged: Sequence[Tensor | None], pool: Pool, circumstances: Circumstances
) -> Findings:
    """The findings with the share of flagged images, where every model can say it of its side."""
    known = [one for one in flagged if one is not None]
    if len(known) < len(flagged):
        return findings
    found = torch.cat(known).double()
    per_unit = torch.zeros(circumstances.units, 2, dtype=torch.float64)
    per_unit.index_add_(0, pool.unit_index, torch.stack([found, torch.ones_like(found)], dim=1))
    share = pooled_scores(_Share(), {FLAGGED: per_unit}, circumstances)
    section = Section("Images unlike those of training", _TEXT.format(int(found.sum()), len(found), 1 - KNOWN_SHARE))
    return findings.with_more(share, section)


@dataclass(frozen=True)
class _Share:
    """Counts (2,), flagged and all, to their share."""

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        flagged, images = counts[FLAGGED].tolist()
        return {FLAGGED: flagged / images}


_TEXT = (
    "{} of {} images would be flagged as unlike those that the model learned from. About {:.0%} are expected of images "
    "of the same kind; many more say that these come from another scanner, sequence or preparation."
)
