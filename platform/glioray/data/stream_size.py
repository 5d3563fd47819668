"""How much memory the train side takes; needs no Ray."""

from __future__ import annotations

from glioray.data.prepared import PreparedDataset

WORKER_BYTES = 1_000_000_000  # of the train side, that a worker keeps in its own memory


def train_bytes(data: PreparedDataset) -> int:
    """Pixels and masks of the whole train side."""
    return data.manifest.sides["train"].rows * row_bytes(data)


def row_bytes(data: PreparedDataset) -> int:
    """Pixels and mask of one image."""
    signature = data.signature
    planes = signature.in_channels + (data.manifest.contents.task == "segmentation")
    return planes * signature.image_size**2
