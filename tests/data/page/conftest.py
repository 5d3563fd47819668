"""Tables of columns as a prepared folder would give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from glioray.data.page.table import Table

MakeTable = Callable[..., Table]


@pytest.fixture
def make_table() -> MakeTable:
    """A table of rows of one label; what is not given is plain."""

    def make(
        patients: Sequence[str | None],
        *,
        parts: Sequence[str] | None = None,
        slices: Sequence[int] | None = None,
        label_pixels: Sequence[Sequence[int]] | None = None,
        labels: Sequence[int] | None = None,
        sizes_px: Sequence[tuple[int, int]] | None = None,
        spacing_mm: tuple[float, float, float] | None = None,
    ) -> Table:
        count = len(patients)
        names = tuple(dict.fromkeys(parts or ["train"]))
        return Table(
            parts=names,
            part=np.array([names.index(part) for part in parts or ["train"] * count]),
            number=np.arange(count),
            source=tuple(f"scan_{i}.png" for i in range(count)),
            group=tuple(patient or f"g{i}" for i, patient in enumerate(patients)),
            patient=tuple(patients),
            slice_index=np.array(range(count) if slices is None else slices),
            brain_fraction=np.full(count, 0.4),
            raw_size_px=np.array([(64, 64)] * count if sizes_px is None else sizes_px),
            spacing_mm=np.tile(np.array(spacing_mm or [np.nan] * 3, dtype=float), (count, 1)),
            label=np.full(count, -1) if labels is None else np.array(labels),
            label_pixels=np.zeros((count, 0), dtype=int) if label_pixels is None else np.array(label_pixels),
        )

    return make
