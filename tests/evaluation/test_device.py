from __future__ import annotations

import pytest
import torch

from glioray.errors import RecipeError
from glioray.evaluation.device import require_device


def test_the_cpu_is_there():
    assert require_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cudda", "meta", ""])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(RecipeError, match="not a device; give cpu, cuda"):
        require_device(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(RecipeError, match="'cuda:1': torch finds 0 GPUs here; give --device cpu"):
        require_device("cuda:1")
