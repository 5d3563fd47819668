"""The train side as a Ray data set: in the object store where it fits, else streamed from the shards.

Measured on two cores (DESIGN section 8): from the object store 7,300 to 9,700 images/s of 128 px, streamed 3,000 by the
first Parquet reader and 550 to 1,100 by the second.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import ray
import ray.data

from glioray.data.prepared import PreparedDataset
from glioray.data.shards import listed_shards

OBJECT_STORE_SHARE = 0.3
SHUFFLE_BUFFER_BYTES = 256_000_000


@dataclass(frozen=True)
class Feed:
    """A train side, ready to be split over workers."""

    dataset: ray.data.Dataset
    is_materialized: bool
    shuffle_rows: int
    """Rows among which each worker draws: all of its share where they fit 256 MB."""
    reason: str


def train_feed(data: PreparedDataset, num_workers: int) -> Feed:
    """Chooses how the train side is fed, and says why in `reason`."""
    rows, row_bytes = data.manifest.sides["train"].rows, _row_bytes(data)
    store_bytes = int(ray.cluster_resources().get("object_store_memory", 0))
    fits = rows * row_bytes <= OBJECT_STORE_SHARE * store_bytes
    context = ray.data.DataContext.get_current()
    context.use_datasource_v2 = False
    context.execution_options.preserve_order = True  # else the order of an epoch would depend on who is faster
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # else it says, as warnings, how it was set up
    shards = [str(path.absolute()) for path in listed_shards(data.folder, data.manifest, "train")]
    dataset = ray.data.read_parquet(shards, columns=_columns(data))
    shuffle_rows = max(1, min(rows // num_workers, SHUFFLE_BUFFER_BYTES // row_bytes))
    size = f"{rows * row_bytes / 1e6:.0f} MB of train in an object store of {store_bytes / 1e6:.0f} MB"
    if fits:
        return Feed(dataset.materialize(), True, shuffle_rows, f"{size}: held there")
    return Feed(dataset, False, shuffle_rows, f"{size}: streamed from the shards every epoch")


def _columns(data: PreparedDataset) -> list[str]:
    return ["image", "label" if data.manifest.contents.task == "classification" else "mask"]


def _row_bytes(data: PreparedDataset) -> int:
    signature = data.signature
    planes = signature.in_channels + (data.manifest.contents.task == "segmentation")
    return planes * signature.image_size**2
