"""Which number format a run computes in.

bf16 only where the hardware multiplies it: elsewhere it is emulated, and slower than fp32.
"""

from __future__ import annotations

import contextlib
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def autocast_type(precision: Precision, device: torch.device) -> torch.dtype | None:
    """`torch.bfloat16`, or none for plain fp32; `auto` asks the hardware."""
    if precision == "fp32" or (precision == "auto" and not _multiplies_bf16(device)):
        return None
    return torch.bfloat16


def autocast(dtype: torch.dtype | None, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The context in which a pass computes in this format; plain fp32 on a GPU without its short cut TF32."""
    if dtype is None:
        torch.backends.cudnn.allow_tf32 = False
    return torch.autocast(device.type, dtype=dtype) if dtype else contextlib.nullcontext()


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Measured in training: AMX makes a step 2.5 to 4 times as fast as fp32, AVX-512 BF16 (EPYC) 1.9 times.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
