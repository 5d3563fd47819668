from __future__ import annotations

import numpy as np

from glioray.evaluation.comparing.kept import KeptMasks


def test_maps_come_back_as_they_were_in_any_order():
    maps = np.random.default_rng(0).integers(0, 5, (7, 12, 12)).astype(np.uint8)
    kept = KeptMasks()

    kept.add(maps[:4])
    kept.add(maps[4:])

    assert (kept.pick([6, 0, 3]) == maps[[6, 0, 3]]).all()


def test_a_mostly_empty_map_takes_little():
    kept = KeptMasks()
    kept.add(np.zeros((1, 240, 240), dtype=np.uint8))

    assert sum(map(len, kept._packed)) < 500
