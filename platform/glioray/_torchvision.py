"""Lets torchvision load beside a torch that it was not compiled for; import this first.

The public torchvision wheel is built for CUDA. Beside a CPU-only torch its compiled operators are not
there, and its import fails while it describes them (`operator torchvision::nms does not exist`).
Declaring their schemas is enough for transforms and models; the operators themselves stay absent.
"""

from __future__ import annotations

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _declare_missing_operators() -> torch.library.Library | None:
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            library.define(schema)  # type: ignore[no-untyped-call]
        return library
    return None


LIBRARY = _declare_missing_operators()  # kept: the declarations live as long as it does
