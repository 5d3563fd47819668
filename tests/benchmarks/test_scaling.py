"""The formulae of `benchmarks/scaling.py`, against numbers worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from scaling import Place, efficiency, network_s, smallest_batch, step_bytes

SLOW = Place(num_gpus=4, images_per_s=100, network_bytes_per_s=1e6, latency_s=0.0)


def test_a_ring_of_four_sends_one_and_a_half_times_the_gradients() -> None:
    assert step_bytes(1_000_000, 4) == 1.5 * 4_000_000


def test_one_gpu_sends_nothing() -> None:
    assert step_bytes(1_000_000, 1) == 0


def test_latency_counts_for_each_message_of_each_bucket() -> None:
    place = Place(num_gpus=4, images_per_s=100, network_bytes_per_s=float("inf"), latency_s=0.001)
    assert network_s(10_000_000, place) == pytest.approx(6 * 2 * 0.001)  # 40 MB are two buckets


def test_efficiency_is_the_share_of_a_step_that_computes() -> None:
    assert efficiency(400, 1_000_000, SLOW) == pytest.approx(1 / (1 + 6))  # 1 s of images, 6 s of network


def test_the_smallest_batch_is_large_enough_and_a_smaller_one_is_not() -> None:
    batch = smallest_batch(1_000_000, SLOW)
    assert efficiency(batch, 1_000_000, SLOW) >= 0.9 - 1e-9
    assert efficiency(batch - 8, 1_000_000, SLOW) < 0.9
