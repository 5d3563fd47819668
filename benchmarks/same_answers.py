"""Whether the service answers what the evaluation said: of the same files, over HTTP.

    python benchmarks/same_answers.py RUN RAW [--images 100] [--volumes 3] [--json]

RUN was evaluated (`glioray evaluate RUN`), RAW is the folder that its data were prepared from. A classifier is asked
about files of the test side, spread evenly over it, and the probabilities are compared; a segmenter about whole
patients, a NIfTI file a sequence, and the pixels of every label in every slice are. Slices must have the size that the
model takes, or the two count in different grids. Passes of another size round otherwise: `largest` is the largest
difference found, of probabilities or in pixels of a label in a slice.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from _services import our_service, running

from glioray.client import Client
from glioray.cluster import free_port
from glioray.registry.bundle import ModelBundle
from glioray.registry.store import Store

Row = dict[str, str]


def evaluated(run: Path) -> list[Row]:
    with (run / "evaluation" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def compare_images(client: Client, raw: Path, rows: list[Row], most: int) -> list[float]:
    """Of each image the largest difference between two probabilities of a class."""
    chosen = [rows[int(place)] for place in np.linspace(0, len(rows) - 1, min(most, len(rows)))]
    differences = []
    for row in chosen:
        answer = client.classify(raw / row["source"])
        pairs = ((p, float(row[f"probability_{name}"])) for name, p in answer["probabilities"].items())
        differences.append(max(abs(served - expected) for served, expected in pairs))
    return differences


def compare_volumes(client: Client, raw: Path, rows: list[Row], most: int, channels: tuple[str, ...]) -> list[float]:
    """Of each slice of the volumes with the most tumor the largest difference between the pixels of a label."""
    cases: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        cases[row["source"]].append(row)
    size = {source: sum(int(row["WT_tp"]) for row in of_case) for source, of_case in cases.items()}
    differences: list[float] = []
    for source in sorted(cases, key=lambda one: -size[one])[:most]:
        files = {name: next((raw / source).glob(f"*_{name}.nii*")) for name in channels}
        answer = client.segment_volume(files).answer
        for row in cases[source]:
            pixels = answer["slices"][int(row["slice_index"])]["pixels"]
            expected = {name: int(row[f"{name}_tp"]) + int(row[f"{name}_fp"]) for name in answer["labels"]}
            differences.append(max(abs(pixels[name] - count) for name, count in expected.items()))
    return differences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--volumes", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    contents = ModelBundle.load(asked.run / "bundle").config.contents
    rows = evaluated(asked.run)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port(8400)
        Store(str(folder / "registry")).publish(asked.run / "bundle", "asked")
        url = f"http://127.0.0.1:{port}"
        command = our_service(str(folder / "registry"), port, folder, {})
        with running(command, url, "/readyz", folder / "log"), Client(url) as client:
            if contents.task == "classification":
                differences = compare_images(client, asked.raw, rows, asked.images)
            else:
                differences = compare_volumes(client, asked.raw, rows, asked.volumes, contents.channels)
    found: dict[str, Any] = {
        "task": contents.task,
        "compared": len(differences),
        "equal": sum(difference < 1e-5 for difference in differences),
        "largest": max(differences),
    }
    what = "images" if contents.task == "classification" else "slices"
    line = f"{found['compared']} {what}: {found['equal']} equal, largest difference {found['largest']:.3g}"
    print(json.dumps(found) if asked.json else line)


if __name__ == "__main__":
    main()
