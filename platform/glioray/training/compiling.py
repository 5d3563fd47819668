"""`torch.compile`, and the question whether it works on a machine."""

from __future__ import annotations

import torch
from torch import nn

from glioray.errors import RecipeError


def require_compiler(device: torch.device) -> None:
    """Compiles a line, since nothing less shows that compiler, headers and libraries are all there.

    Raises:
        RecipeError: they are not.
    """
    try:
        torch.compile(_double)(torch.ones(8, device=device))
    except Exception as error:  # of many kinds: it is whatever the compiler meets
        reason = str(error).strip().splitlines()
        raise RecipeError(
            f"compile is true, but torch.compile does not work on this machine's {device.type} "
            f"({reason[0] if reason else type(error).__name__}): install a C++ compiler and Python's headers (as g++ "
            "and python3-dev), or --set compile=false"
        ) from None


def compiled(replica: nn.Module) -> nn.Module:
    """The same network, compiled when it is first called; weights and their names stay as they are."""
    return torch.compile(replica)  # type: ignore[return-value]


def _double(values: torch.Tensor) -> torch.Tensor:
    return values + values
