"""What many GPUs ask of network and storage, on paper: `python benchmarks/scaling.py --gpus 8 64 --images-per-s 2000`.

Nothing here is measured. The images/s of a GPU, the bandwidth between two nodes and the latency of a message are
assumptions that the command line gives; one GPU a node. With n GPUs, P parameters, a batch of B images over all, R
images/s of a GPU, a network of W bytes/s and L seconds a message:

    bytes a step      2 (n - 1) / n x 4 P        sent by each GPU: ring all-reduce of fp32 gradients, as DDP does
    buckets           max(1, 4 P / 25 MB)        DDP reduces its gradients in portions of 25 MB
    network seconds   bytes / W + 2 (n - 1) x L x buckets
    compute seconds   (B / n) / R                a GPU keeps its speed down to a few images: kind to many GPUs
    efficiency        compute / (compute + network)   nothing overlaps: DDP hides a part, so this is the floor
    smallest batch    n x R x network seconds x 0.9 / 0.1      that has 90 % efficiency
    storage bytes/s   n x R x row bytes          while streaming; a row is S x S x (channels, and 1 for a mask), not
                                                 compressed
    place             memory, if rows x row bytes <= n x 1 GB; else the object store, if it has that / 0.3; else
                      streaming

NCCL may choose a tree instead of a ring, whose latency grows with log n.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from _plain import NAMES
from _ways import Setting, our_network

from glioray.data.stream import OBJECT_STORE_SHARE
from glioray.data.stream_size import WORKER_BYTES
from glioray.models._contract import num_parameters
from glioray.recipe import Recipe

FLOAT_BYTES, BUCKET_BYTES, GOOD = 4, 25 * 2**20, 0.9
SEARCH_SPACES = Path(__file__).parent.parent / "search_spaces"


@dataclass(frozen=True)
class Place:
    """What is assumed of the hardware."""

    num_gpus: int
    images_per_s: float
    network_bytes_per_s: float
    latency_s: float


def main() -> None:
    """Prints a table for each number of GPUs."""
    options = parse()
    models = {name: num_parameters(our_network(Setting(name, torch.device("cpu")))) for name in NAMES}
    for num_gpus in options.gpus:
        place = Place(num_gpus, options.images_per_s, options.network_gbit * 1e9 / 8, options.latency_us / 1e6)
        print(f"\n{num_gpus} GPUs, assumed: {options.images_per_s:g} images/s each, {options.network_gbit:g} Gbit/s, "
              f"{options.latency_us:g} us a message\n")  # fmt: skip
        print_head()
        for name, parameters in models.items():
            print_row(name, parameters, Recipe.from_yaml(SEARCH_SPACES / f"{name}.yaml"), place)
        print_data(options, num_gpus)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--images-per-s", type=float, required=True, help="of one GPU: an assumption of yours")
    parser.add_argument("--network-gbit", type=float, default=10.0, help="between two nodes")
    parser.add_argument("--latency-us", type=float, default=50.0, help="of a message, over TCP")
    parser.add_argument("--rows", type=int, default=57_195, help="images of the data; default: BraTS 2020, 369 x 155")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--channels", type=int, default=4)
    return parser.parse_args()


def step_bytes(parameters: int, num_gpus: int) -> float:
    """That each GPU sends in a step."""
    return 2 * (num_gpus - 1) / num_gpus * FLOAT_BYTES * parameters


def network_s(parameters: int, place: Place) -> float:
    """Of the all-reduce of a step, from its first byte to its last."""
    buckets = max(1, math.ceil(FLOAT_BYTES * parameters / BUCKET_BYTES))
    messages = 2 * (place.num_gpus - 1) * buckets
    return step_bytes(parameters, place.num_gpus) / place.network_bytes_per_s + messages * place.latency_s


def efficiency(batch_size: int, parameters: int, place: Place) -> float:
    """Share of a step in which the GPU computes, if nothing overlaps."""
    compute_s = batch_size / place.num_gpus / place.images_per_s
    return compute_s / (compute_s + network_s(parameters, place))


def smallest_batch(parameters: int, place: Place) -> int:
    """Images over all GPUs that make a step long enough."""
    compute_s = network_s(parameters, place) * GOOD / (1 - GOOD)
    return math.ceil(compute_s * place.images_per_s) * place.num_gpus


def print_head() -> None:
    print(f"{'':<16}{'parameters':>12}{'MB/step':>9}{'network ms':>12}{'batch':>7}{'each':>9}{'efficiency':>12}"
          f"{'batch x n':>11}{'efficiency':>12}{f'batch of {GOOD:.0%}':>14}")  # fmt: skip


def print_row(name: str, parameters: int, recipe: Recipe, place: Place) -> None:
    batch, num_gpus = recipe.budget.batch_size, place.num_gpus
    each = f"{batch / num_gpus:g}" if batch >= num_gpus else "refused"
    kept = f"{efficiency(batch, parameters, place):.1%}" if batch >= num_gpus else "-"
    print(f"{name:<16}{parameters:>12,}{step_bytes(parameters, num_gpus) / 1e6:>9.1f}"
          f"{network_s(parameters, place) * 1e3:>12.2f}{batch:>7}{each:>9}{kept:>12}{batch * num_gpus:>11,}"
          f"{efficiency(batch * num_gpus, parameters, place):>12.1%}"
          f"{smallest_batch(parameters, place):>14,}")  # fmt: skip


def print_data(options: argparse.Namespace, num_gpus: int) -> None:
    side_px = options.image_size**2
    for kind, planes in (("classes", 3), ("masks", options.channels + 1)):
        total = options.rows * planes * side_px
        rate = num_gpus * options.images_per_s * planes * side_px
        place = "memory of the workers" if total <= num_gpus * WORKER_BYTES else "object store or streamed"
        print(f"\n{kind}, {planes} x {options.image_size} px: {rate / 1e6:,.0f} MB/s while streaming; {options.rows:,} "
              f"images are {total / 1e9:.2f} GB: {place}, {total / num_gpus / 1e6:,.0f} MB a worker; in the object "
              f"store it takes {total / OBJECT_STORE_SHARE / 1e9:.1f} GB of store")  # fmt: skip


if __name__ == "__main__":
    main()
