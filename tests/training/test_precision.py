from __future__ import annotations

import pytest
import torch

from glioray.training import precision

CPU = torch.device("cpu")


def test_fp32_asked_for_gives_fp32() -> None:
    with precision.autocast(precision.autocast_type("fp32", CPU), CPU):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32


def test_bf16_asked_for_gives_bf16() -> None:
    with precision.autocast(precision.autocast_type("bf16", CPU), CPU):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize(("name", "expected"), [("amx_bf16", torch.bfloat16), ("avx2", None)])
def test_auto_takes_bf16_only_where_the_cpu_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True})
    assert precision.autocast_type("auto", CPU) == expected
