"""The pointing game: how often the highest place of Grad-CAM lies in the tumor, on synthetic slices with masks.

    python benchmarks/pointing.py FOLDER [--patients 200] [--epochs 20] [--seed 0] [--json]

A phantom is written to FOLDER, prepared (split by patient) and learned by custom_cnn as `search_spaces/custom_cnn.yaml`
has it; what is there already is taken. Asked is every test slice that shows a tumor, for the class that the model
answers, right or wrong, as the service does it; a tumor has its edema with it, and nothing near it counts as a hit.
Beside it the tumor's share of the head's pixels, which is what a place by chance hits, and three that need no model or
no training: the middle of the head, the brightest place of the slice (tumors of the phantom enhance), and the same
network before its first step. `one copy` is without the mirrored copy that the answer is averaged over, `stretched`
the same as it is usually drawn, over the whole image, without regard to where the convolutions look.

Shares are means over patients, in brackets 95 % intervals over resampled patients; `right` is how many slices the model
classifies so. Nobody was scanned: no figure here says how it is on patients.

Source: Zhang 2018, "Top-Down Neural Attention by Excitation Backprop", arXiv 1608.00507, section 4.1; they allow 15 px.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glioray.data.head import head_mask
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.phantom.growth import EDEMA
from glioray.data.phantom.images import slice_labels
from glioray.data.phantom.patient import draw_patient
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.preprocessing import restore_mask
from glioray.evaluation.bootstrap import draws, interval, means
from glioray.evaluation.side import Row, SideRows
from glioray.explain.placing import placed
from glioray.models._last_map import last_map
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.serving.explaining import explain
from glioray.serving.predictor import Predictor, PreparedSlice, stacked
from glioray.training.local import train
from glioray.training.plan import plan_run

RECIPE = Path(__file__).parents[1] / "search_spaces" / "custom_cnn.yaml"
SIZE_PX, SLICES, BLUR_PX = 160, 6, 3
Place = tuple[int, int]
Facts = dict[str, float]


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    raw = options.folder / "raw"
    settings = PhantomSettings(
        num_patients=options.patients, image_size=SIZE_PX, num_slices=8, slices_per_patient=SLICES, seed=options.seed
    )
    write_phantom(raw, settings)
    split = PrepareOptions(task="classification", val_fraction=0.15, test_fraction=0.35, seed=options.seed)
    data = prepare("phantom", raw, options.folder / "data", split)
    bundle = trained(data, options.folder / "run", options.epochs, options.seed)
    rows = [row for row in SideRows.read(data, "test").identity if "/notumor/" not in row.source]
    found = ask(bundle, raw, rows, options.seed)
    kinds = sorted({kind for kind, _ in found})
    table = {kind: shares([of for (one, _), of in found.items() if one == kind]) for kind in kinds}
    table["all"] = shares(list(found.values()))
    about = {"patients": len(found), "slices": len(rows), "split": "test, by patient", "seed": options.seed}
    print(json.dumps(about | {"shares": table}) if options.json else text(about, table))


def trained(data: PreparedDataset, folder: Path, epochs: int, seed: int) -> ModelBundle:
    """The best epoch on val, trained here or found in the folder."""
    settings = {"data.path": str(data.folder), "budget.epochs": epochs, "seed": seed}
    recipe = Recipe.from_yaml(RECIPE).with_settings(settings)
    return ModelBundle.load(train(plan_run(recipe, folder.parent, folder.name)).bundle)


def ask(bundle: ModelBundle, raw: Path, rows: Sequence[Row], seed: int) -> dict[tuple[str, str], list[Facts]]:
    """Of each (kind, patient) what each of its slices gives."""
    predictor, blank = Predictor.load(bundle), Predictor.load(untrained(bundle, seed))
    found = defaultdict(list)
    for row in rows:
        kind = row.source.split("/")[1]
        picture = predictor.decode((raw / row.source).read_bytes(), row.source)
        prepared = predictor.prepare(picture)
        answer = predictor.classify_batch([prepared])[0].label
        labels = labels_of(row, seed)
        head = head_mask(picture[None])[0]
        peaks = {
            "Grad-CAM": explain(predictor, [prepared], [answer], "gradcam")[0].peak,
            **one_copy(predictor, prepared, answer),
            "untrained": explain(blank, [prepared], [answer], "gradcam")[0].peak,
            "middle": tuple(int(at) for at in np.argwhere(head).mean(0)),
            "brightest": brightest(picture[0], head),
        }
        facts = {name: float(peak is not None and labels[peak] > 0) for name, peak in peaks.items()}
        core = peaks["Grad-CAM"] is not None and labels[peaks["Grad-CAM"]] not in (0, EDEMA)
        facts |= {"Grad-CAM in the core": float(core), "chance": float((labels > 0)[head].mean())}
        facts |= {"chance in the core": float(((labels > 0) & (labels != EDEMA))[head].mean())}
        found[kind, row.patient_id].append(facts | {"right": float(answer == kind)})
    return found


def one_copy(predictor: Predictor, prepared: PreparedSlice, label: str) -> dict[str, Place | None]:
    """The highest place of Grad-CAM of the image alone, drawn as we do and as is usual."""
    output = predictor.config.contents.classes.index(label)
    pixels = predictor.normalized(stacked([prepared])).contiguous(memory_format=torch.channels_last)
    found = last_map(predictor.network, pixels, lambda logits: logits[:, output])
    cells = (found.gradient.mean((2, 3), keepdim=True) * found.values).sum(1).relu()
    size_px, step_px = pixels.shape[-1], pixels.shape[-1] / cells.shape[-1]
    ways = {"one copy": (found.first_px, found.step_px), "stretched": ((step_px - 1) / 2, step_px)}
    return {name: peak_of(placed(cells, size_px, *way)[0].numpy(), prepared) for name, way in ways.items()}


def peak_of(heat: NDArray[np.float32], prepared: PreparedSlice) -> Place | None:
    """In the grid of the picture."""
    values = restore_mask(heat, prepared.frame)
    row, column = np.unravel_index(values.argmax(), values.shape)
    return (int(row), int(column)) if values.any() else None


def untrained(bundle: ModelBundle, seed: int) -> ModelBundle:
    """The same network before its first step."""
    torch.manual_seed(seed)
    recipe = Recipe.from_values(bundle.config.recipe, "bundle")
    network = build_network(recipe, bundle.config.contents, bundle.config.signature)
    return replace(bundle, weights=network.state_dict())


def labels_of(row: Row, seed: int) -> NDArray[np.uint8]:
    """(H,W) of the picture of a row."""
    patient = draw_patient(seed, int(row.patient_id.rpartition("_")[2]) - 1)
    return slice_labels(patient, (row.slice_index,), SIZE_PX)[0]


def brightest(grey: NDArray[np.uint8], head: NDArray[np.bool_]) -> Place:
    """Of the slice blurred a little, inside the head."""
    smooth = np.where(head, ndimage.gaussian_filter(grey.astype(np.float32), BLUR_PX), -1)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    return int(row), int(column)


def shares(patients: Sequence[Sequence[Facts]]) -> dict[str, tuple[float, float, float]]:
    """Mean over patients of each figure, with its interval."""
    names = list(patients[0][0])
    values = np.array([[np.mean([facts[name] for facts in slices]) for name in names] for slices in patients])
    low, high = interval(np.concatenate([means(values, drawn) for drawn in draws(len(values))]))
    return {name: (float(values[:, i].mean()), float(low[i]), float(high[i])) for i, name in enumerate(names)}


def text(about: dict[str, object], table: dict[str, dict[str, tuple[float, float, float]]]) -> str:
    """A line for each figure, a column for each kind."""
    lines = [", ".join(f"{name} {value}" for name, value in about.items()), ""]
    lines += [f"{'':22}" + "".join(f"{kind:>24}" for kind in table)]
    for name in table["all"]:
        cells = ("{:.3f} [{:.3f}, {:.3f}]".format(*of[name]) for of in table.values())
        lines.append(f"{name:22}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join([*lines, "", "SYNTHETIC: a phantom, no patient was scanned. Research use only."])


if __name__ == "__main__":
    main()
