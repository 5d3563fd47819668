from __future__ import annotations

import pytest
import torch

from glioray.errors import ModelError
from glioray.training.memory import memory_limited, memory_told


def test_a_full_gpu_says_which_setting_to_lower() -> None:
    with pytest.raises(ModelError, match="CUDA out of memory.*lower budget.batch_size"), memory_told():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")


def test_more_memory_than_allowed_is_refused_and_then_allowed_again() -> None:
    with pytest.raises(ModelError, match="takes more memory than 0.05 GB"), memory_limited(0.05):
        torch.zeros(200_000_000, dtype=torch.uint8)
    assert torch.zeros(200_000_000, dtype=torch.uint8).sum() == 0


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_limited(1):
        raise RuntimeError("shape")
