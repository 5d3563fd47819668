from __future__ import annotations

import numpy as np

from glioray.audit.groups import group


def names(groups):
    return [groups.index(name) for name in groups]


def test_images_of_a_patient_are_one_group_and_their_copies_join_it(head, make) -> None:
    pictures = make([head(seed) for seed in range(4)], patient=["p", "q", "p", None])
    groups = group(pictures, np.array([[1, 3]]))
    assert names(groups.whole) == [0, 1, 0, 1]
    assert names(groups.copies) == [0, 1, 2, 1]


def test_the_share_is_of_the_smaller_patient_and_each_slice_counts_once(head, make) -> None:
    """Of p one slice of eight is copied, often; of q two of eight, which is a quarter."""
    patients = ["p"] * 8 + ["q"] * 8 + ["r"] * 8
    pictures = make([head(0)] * 24, is_volumes=True, patient=patients, brain_fraction=[0.5] * 24)
    pairs = np.array([[0, 8], [0, 9], [1, 16]])
    assert group(pictures, pairs).is_joining.tolist() == [True, True, False]


def test_slices_without_a_patient_are_joined_by_any_copy(head, make) -> None:
    pictures = make([head(0)] * 8, is_volumes=True, patient=["p"] * 7 + [None], brain_fraction=[0.5] * 8)
    assert group(pictures, np.array([[0, 7]])).is_joining.tolist() == [True]


def test_pairs_of_two_patients_count_together_whichever_stands_first(head, make) -> None:
    patients = ["p"] * 4 + ["q"] * 8 + ["p"] * 4
    pictures = make([head(0)] * 16, is_volumes=True, patient=patients, brain_fraction=[0.5] * 16)
    assert group(pictures, np.array([[0, 4], [5, 12]])).is_joining.tolist() == [True, True]
    assert group(pictures, np.array([[0, 4]])).is_joining.tolist() == [False]
