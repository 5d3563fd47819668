"""Where the time of the separable block goes, as it was first written down and as it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from _plain import separable
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from glioray.models._separable import inverted_bottlenecks

CHANNELS, SIZE_PX, BATCH = 16, 240, 4
ROUNDS, SHOWN = 5, 8


def profile_block() -> dict[str, dict[str, Any]]:
    """Of each way: milliseconds a step of one block, median of rounds that take turns, and its largest operations."""
    steps = {
        "plain, fp32": step_of(separable(*[CHANNELS] * 3), is_bf16=False, is_last=False),
        "plain, bf16, channels last": step_of(separable(*[CHANNELS] * 3), is_bf16=True, is_last=True),
        "ours, fp32": step_of(inverted_bottlenecks(*[CHANNELS] * 3), is_bf16=False, is_last=True),
        "ours, bf16": step_of(inverted_bottlenecks(*[CHANNELS] * 3), is_bf16=True, is_last=True),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            started_at = time.perf_counter()
            step()
            times[name].append((time.perf_counter() - started_at) * 1e3)
    return {name: {"step_ms": median(times[name]), "operations": operations(step)} for name, step in steps.items()}


def print_profile(found: dict[str, dict[str, Any]]) -> None:
    shape = f"{BATCH} x {CHANNELS} x {SIZE_PX} x {SIZE_PX}"
    print(f"one block, {shape}, forward and backward, {torch.get_num_threads()} threads")
    for name, figures in found.items():
        print(f"\n{name}: {figures['step_ms']:.0f} ms")
        for operation, share in figures["operations"].items():
            print(f"  {share:>5.1%}  {operation}")


def step_of(block: nn.Module, is_bf16: bool, is_last: bool) -> Callable[[], None]:
    layout = torch.channels_last if is_last else torch.contiguous_format
    block = block.to(memory_format=layout)
    image = torch.randn(BATCH, CHANNELS, SIZE_PX, SIZE_PX).contiguous(memory_format=layout).requires_grad_()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            output: Tensor = block(image)
        output.backward(torch.ones_like(output))

    step()
    return step


def operations(step: Callable[[], None]) -> dict[str, float]:
    """Share of the time by operation and shape of its first two inputs, the largest first."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as recorded:
        step()
    shares: Counter[str] = Counter()
    for event in recorded.key_averages(group_by_input_shape=True):
        shares[f"{event.key} {shapes(event)}"] += event.self_cpu_time_total
    total = sum(shares.values())
    return {operation: time_us / total for operation, time_us in shares.most_common(SHOWN)}


def shapes(event: Any) -> str:
    """Sizes of the inputs that are tensors, without those that are one number or none."""
    sizes = [size for size in event.input_shapes if isinstance(size, list) and len(size) > 1]
    return ", ".join("x".join(map(str, size)) for size in sizes[:3])
