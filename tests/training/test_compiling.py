from __future__ import annotations

import pytest
import torch

from glioray.errors import RecipeError
from glioray.training.compiling import require_compiler


def test_a_machine_that_cannot_compile_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_without_compiler(function: object) -> object:
        def call(values: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nmore")

        return call

    monkeypatch.setattr(torch, "compile", compile_without_compiler)
    with pytest.raises(RecipeError, match=r"this machine's cpu \(InvalidCxxCompiler.*found\): .* --set compile=false"):
        require_compiler(torch.device("cpu"))
