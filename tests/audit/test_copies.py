from __future__ import annotations

import numpy as np

from glioray.audit.copies import find
from glioray.data.progress import silent


def test_each_kind_of_copy_is_found_once_under_its_plainest_name(audited) -> None:
    pairs = {pair.first.name.split("/")[-1]: (pair.kind, pair.symmetry) for pair in audited.shown}
    assert {name: kind for name, (kind, _) in pairs.items()} == {
        "0-file.png": "identical file",
        "1-pixels.bmp": "identical pixels",
        "2-near.png": "near-copy",
        "3-mirrored.png": "mirrored",
        "4-turned.png": "turned",
        "5-contrast.png": "contrast changed",
        "6-mislabeled.png": "identical pixels",
    }
    assert pairs["3-mirrored.png"][1] == "left-right"


def test_slices_of_one_patient_are_no_copies_of_each_other(head, make) -> None:
    pictures = make([head(0)] * 3, patient=["p", "p", "q"], pixel_hash=["x"] * 3)
    found = find(pictures, 0, silent)
    assert found.pairs.tolist() == [[0, 2], [1, 2]]


def test_pairs_shown_are_bounded_and_the_weakest_are_among_them(head, make) -> None:
    noise = np.random.default_rng(0).normal(0, 1, (30, 64, 64))
    pictures = make([head(0) + number * 0.5 * one for number, one in enumerate(noise)])
    found = find(pictures, 0, silent)
    near = [(found.correlations[index], why) for index, why in found.shown if found.kinds[index] == 2]
    assert len(near) == 12
    weakest = min(found.correlations[found.kinds == 2])
    assert (weakest, "weakest") in near
