"""How fast raw scans become shards and shards become batches, beside the way that the earlier project took.

    python benchmarks/prepare.py [--cases 12] [--folder DIR] [--json]

Everything is made here: SYNTHETIC volumes of four sequences, 240 x 240 x 155, as NIfTI and as the slice files of the
Kaggle h5 edition, and pictures of 512 px as JPEG; `--folder` keeps them for another run. Each way runs in a process of
its own, tied to its cores, one after the other, and the ways that are compared take turns. The earlier ways:

- JPEG: decode a file, cut the head's box out, resize to 128 px;
- h5: open a file for each slice, scale each of its channels between its least and largest value.

Preparing is timed from the second of its portions on, so that the start of Ray and of its actors does not count; the
whole time is shown too. `h5_ratio`: batches of prepared shards through Ray Data, from the second epoch on, against the
h5 way with the same two cores. `two_core_ratio`: preparing with two actors against one core. `peak_mb`: all processes
of a preparation together, shared pages counted once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from _memory import PeakMemory
from _scans import SLICES, make_scans
from PIL import Image

BATCH = 32
ROUNDS = 2
MIN_SECONDS = 4.0


def main() -> None:
    """Makes the data, runs every way in a process of its own, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=12, help="volumes; at least 8")
    parser.add_argument("--folder", type=Path, help="keeps the made scans")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](options.folder, options.cores)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        make_scans(folder, options.cases)
        report(measure(folder), options.json)


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Each way's figures; of the rounds the better one, since a machine is only ever slower than it can be."""
    ways = (
        ("jpeg", 1), ("jpeg", 2), ("our_jpeg", 1), ("our_jpeg", 2), ("h5", 1), ("h5", 2),
        ("prepare", 1), ("prepare_ray", 2), ("prepare", 2), ("memory", 2), ("shards", 2),
    )  # fmt: skip
    found: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for step, cores in ways:
            result = run_apart(step, cores, folder)
            before = found.get(f"{step}/{cores}", {})
            better = {
                name: (min if name in ("whole_s", "peak_mb") else max)(value, before.get(name, value))
                for name, value in result.items()
            }
            better["peak_mb"] = max(result.get("peak_mb", 0.0), before.get("peak_mb", 0.0))
            found[f"{step}/{cores}"] = better
    return found


def run_apart(step: str, cores: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--cores", str(cores), "--folder", str(folder)]
    threads = {"OMP_NUM_THREADS": "1"}
    allowed = set(sorted(os.sched_getaffinity(0))[:cores])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads},
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    with PeakMemory(process.pid) as peak:
        output, _ = process.communicate(timeout=900)
    if process.returncode:
        raise SystemExit(f"{step} with {cores} cores failed")
    return {**json.loads(output.splitlines()[-1]), "peak_mb": peak.most / 1e6}


def repeated(items: Callable[[], Iterator[int]]) -> dict[str, float]:
    """Rate of passes over the items, for at least a few seconds, after one that fills the page cache."""
    sum(items())
    count, started_at = 0, time.perf_counter()
    while time.perf_counter() - started_at < MIN_SECONDS:
        count += sum(items())
    return {"rate": count / (time.perf_counter() - started_at)}


class Files(torch.utils.data.Dataset[Any]):
    """The earlier project's data set: one file, one item."""

    def __init__(self, paths: list[Path], read: Callable[[Path], torch.Tensor]) -> None:
        self.paths, self.read = paths, read

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.read(self.paths[index])


def of_files(paths: list[Path], read: Callable[[Path], torch.Tensor], cores: int) -> dict[str, float]:
    loader = torch.utils.data.DataLoader(
        Files(paths, read), BATCH, num_workers=cores if cores > 1 else 0, persistent_workers=cores > 1
    )
    return repeated(lambda: (len(batch) for batch in loader))


def read_h5(path: Path) -> torch.Tensor:
    with h5py.File(path) as file:
        image, mask = file["image"][()].transpose(2, 0, 1), file["mask"][()].transpose(2, 0, 1)
    low, high = image.min(axis=(1, 2), keepdims=True), image.max(axis=(1, 2), keepdims=True)
    image = (image - low) / (high - low + 1e-8)
    return torch.cat([torch.tensor(image, dtype=torch.float32), torch.tensor(mask, dtype=torch.float32)])


def read_jpeg(path: Path) -> torch.Tensor:
    pixels = np.asarray(Image.open(path).convert("L"))
    rows, columns = np.where(pixels > 25)
    box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    small = Image.fromarray(box).resize((128, 128), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)[None]


def step_jpeg(folder: Path, cores: int) -> dict[str, float]:
    return of_files(sorted((folder / "jpeg").iterdir()), read_jpeg, cores)


def step_h5(folder: Path, cores: int) -> dict[str, float]:
    return of_files(sorted((folder / "h5").iterdir()), read_h5, cores)


def step_our_jpeg(folder: Path, cores: int) -> dict[str, float]:
    """Our decoding, head search, crop, resize and thumbnails, by threads."""
    from glioray.data.duplicates import thumbnails
    from glioray.data.image_file import decode_image
    from glioray.data.preprocessing import Preprocessing, prepare_volume
    from glioray.data.runners import in_order

    settings = Preprocessing(image_size=128, crop_head=True, intensity="percentile")

    def work(path: Path) -> int:
        image = decode_image(path.read_bytes(), path.name)[None]
        prepared = prepare_volume(image, settings)
        thumbnails(image[:, 0])
        thumbnails(prepared.image[:, 0])
        return 1

    paths = sorted((folder / "jpeg").iterdir())
    return repeated(lambda: in_order(work, paths, cores))


def prepare_timed(folder: Path, cores: int, with_ray: bool) -> dict[str, float]:
    """The whole of `glioray prepare brats_nifti`; the rate is of reading, from the third case on."""
    from glioray.data.prepare import prepare
    from glioray.data.prepare_options import PrepareOptions

    out = folder / f"prepared-{cores}-{with_ray}"
    shutil.rmtree(out, ignore_errors=True)
    ends: list[float] = []

    def on_progress(stage: str, done: int, total: int) -> None:
        del done, total
        if stage == "read":
            ends.append(time.perf_counter())

    options = PrepareOptions(workers=cores)
    started_at = time.perf_counter()
    if with_ray:
        from glioray.cluster import connect

        with connect("local"):
            from glioray.data.parallel import run_on_actors

            data = prepare("brats_nifti", folder / "nifti", out, options, on_progress, run_on_actors(cores))
    else:
        data = prepare("brats_nifti", folder / "nifti", out, options, on_progress)
    rows = sum(counts.rows for counts in data.manifest.counts.values())
    return {
        "rate": (len(ends) - 2) * SLICES / (ends[-1] - ends[1]),
        "whole_s": time.perf_counter() - started_at,
        "rows": rows,
    }


def step_prepare(folder: Path, cores: int) -> dict[str, float]:
    return prepare_timed(folder, cores, with_ray=False)


def step_prepare_ray(folder: Path, cores: int) -> dict[str, float]:
    return prepare_timed(folder, cores, with_ray=True)


def step_memory(folder: Path, cores: int) -> dict[str, float]:
    """The ceiling: batches of a permutation of tensors in memory."""
    from glioray.data.prepared import PreparedDataset, load_side
    from glioray.training.worker import shuffled_batches

    data = PreparedDataset.open(folder / f"prepared-{cores}-False")
    rows = load_side(data.folder, data.manifest, "train")
    cpu = torch.device("cpu")
    return repeated(lambda: (len(batch["image"]) for batch in shuffled_batches(rows, 0, BATCH, cpu)))


def step_shards(folder: Path, cores: int) -> dict[str, float]:
    """Shards through Ray Data: the first epoch, which reads them, and the next ones, from the object store."""
    from glioray.cluster import connect

    with connect("local"):
        from glioray.data.prepared import PreparedDataset
        from glioray.data.stream import Feed, train_dataset

        data = PreparedDataset.open(folder / f"prepared-{cores}-False")
        rows = data.manifest.sides["train"].rows
        started_at = time.perf_counter()
        streamed = sum(
            map(
                batch_rows,
                train_dataset(data, Feed("shards", 1, ""), str(data.folder)).iter_torch_batches(batch_size=BATCH),
            )
        )
        first_s = time.perf_counter() - started_at
        kept = train_dataset(data, Feed("object store", 1, ""), str(data.folder))
        steady = repeated(lambda: map(batch_rows, kept.iter_torch_batches(batch_size=BATCH, prefetch_batches=2)))
        assert streamed == rows
        return {**steady, "first": rows / first_s}


def batch_rows(batch: dict[str, torch.Tensor]) -> int:
    return len(batch["image"])


def report(found: dict[str, dict[str, float]], as_json: bool) -> None:
    """The table, or its three figures and all others as JSON."""
    rates = {way: figures["rate"] for way, figures in found.items()}
    figures = {
        "h5_ratio": rates["shards/2"] / rates["h5/2"],
        "h5_ratio_one_core": rates["shards/2"] / rates["h5/1"],
        "h5_ratio_first_epoch": found["shards/2"]["first"] / rates["h5/2"],
        "two_core_ratio": rates["prepare_ray/2"] / rates["prepare/1"],
        "two_thread_ratio": rates["prepare/2"] / rates["prepare/1"],
        "memory_ratio": rates["shards/2"] / rates["memory/2"],
        "peak_mb": max(found[way]["peak_mb"] for way in ("prepare/1", "prepare/2", "prepare_ray/2")),
    }
    if as_json:
        print(json.dumps({**figures, "ways": found}))
        return
    print(f"{'way':<46}{'cores':>6}{'per s':>10}{'whole, s':>10}{'peak MB':>9}")
    for way, numbers in found.items():
        name, cores = way.split("/")
        whole = f"{numbers['whole_s']:.1f}" if "whole_s" in numbers else ""
        print(f"{NAMES[name]:<46}{cores:>6}{numbers['rate']:>10,.0f}{whole:>10}{numbers['peak_mb']:>9,.0f}")
    print("\n" + "\n".join(f"{name:<22}{value:>10.2f}" for name, value in figures.items()))


NAMES = {
    "jpeg": "JPEG, decode + crop + resize (images)",
    "our_jpeg": "JPEG, ours: head, resize, thumbnails (images)",
    "h5": "h5 file a slice, min-max (slices)",
    "prepare": "prepare NIfTI, threads (slices)",
    "prepare_ray": "prepare NIfTI, actors of Ray Data (slices)",
    "memory": "batches from memory (slices)",
    "shards": "batches through Ray Data (slices)",
}
STEPS = {name: globals()[f"step_{name}"] for name in NAMES}

if __name__ == "__main__":
    main()
