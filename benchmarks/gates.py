"""What the gates of the attention U-Net do over the epochs of a training, and what takes them away.

    python benchmarks/gates.py FOLDER [--patients 96] [--epochs 16] [--seeds 0 1 2] [--size 64] [--filters 8] ...

A phantom is written to FOLDER, prepared (split by patient) and learned in several ways, each with several seeds, in
batches of 8, since there are few slices:

- `ours`: `search_spaces/attention_unet.yaml` as it stands.
- `earlier`: `benchmarks/recipes/earlier_attention_unet.yaml`, from torch's own initialization, as the course project
  that glioray continues had it.
- `earlier, tenth of the decay`, `earlier, no decay`: the same with 1e-3, and without weight decay.
- `earlier, half open`: the same with our initialization, of which a gate starts half open.

Checkpoints are kept from before the first step on, the early epochs all, later ones some, so that
`glioray explain FOLDER/WAY-SEED --epochs` shows each run. What is there already is not trained again. Of each the val
side says how open each gate is, how much it differs from place to place, how many channels behind its ReLU are dead,
the length of its gradient, and the Dice that is lost where its map is replaced by its mean, or its skip by nothing.
`gates.json` has all of it, the table the mean over seeds of the last epoch. Nobody was scanned: SYNTHETIC.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import nn

from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.insight.epochs import study_epochs
from glioray.insight.gate_study import GateStudy
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.training.average import MovingAverage
from glioray.training.checkpoints import checkpoint_name, checkpoints
from glioray.training.loop import fit
from glioray.training.news import Metrics
from glioray.training.optimizer import build_optimizer
from glioray.training.record import write_bundle
from glioray.training.state import TrainState, read_history
from glioray.training.worker import LocalWorker

ROOT = Path(__file__).parents[1]
OURS = ROOT / "search_spaces" / "attention_unet.yaml"
EARLIER = ROOT / "benchmarks" / "recipes" / "earlier_attention_unet.yaml"
WAYS = {
    "ours": (OURS, {}, False),
    "earlier": (EARLIER, {}, True),
    "earlier, tenth of the decay": (EARLIER, {"optimizer.weight_decay": 1e-3}, True),
    "earlier, no decay": (EARLIER, {"optimizer.weight_decay": 0.0}, True),
    "earlier, half open": (EARLIER, {}, False),
}
SLICES, RAW_PX, BATCH_SIZE = 24, 160, 8
KEPT = (1, 2, 3, 4, 6, 8, 10, 12, 16)


@dataclass
class Keeper(LocalWorker):
    """Keeps the checkpoints of `KEPT` and of the last epoch."""

    epochs: int = 0

    def report(self, metrics: Metrics, epoch: int, checkpoint: Path | None) -> None:
        """Copies it beside the others."""
        del metrics
        assert checkpoint is not None
        if epoch in (*KEPT, self.epochs):
            put(checkpoint, self.folder, epoch)


def main() -> None:
    """Trains what is not there, studies it, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, value in (("patients", 96), ("epochs", 16), ("size", 64), ("filters", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = prepared(options.folder, options.patients, options.size)
    found = {}
    for seed in options.seeds:
        for way in options.ways:
            folder = options.folder / f"{way.replace(', ', '-').replace(' ', '-')}-{seed}"
            bundle = trained(data, folder, recipe_of(way, data, options, seed), starts_as_torch=WAYS[way][2])
            found[way, seed] = studied(folder, bundle, data)
            last = found[way, seed][max(found[way, seed])]
            print(f"{way}, seed {seed}: Dice {last.dice:.3f} on val ({data.describe('val')})", flush=True)
    print(table(found, options.ways))


def prepared(folder: Path, patients: int, size_px: int) -> PreparedDataset:
    """Volumes of a quarter of the patients: those with a glioma."""
    settings = PhantomSettings(num_patients=patients, image_size=RAW_PX, num_slices=SLICES, slices_per_patient=1)
    write_phantom(folder / "raw", settings)
    options = PrepareOptions(task="segmentation", image_size=size_px, val_fraction=0.2, test_fraction=0.1)
    return prepare("phantom", folder / "raw", folder / "data", options)


def recipe_of(way: str, data: PreparedDataset, options: argparse.Namespace, seed: int) -> Recipe:
    """With the size of this measurement."""
    path, values, _ = WAYS[way]
    common = {
        "data.path": str(data.folder),
        "data.image_size": options.size,
        "model.base_filters": options.filters,
        "augmentation.fill": 0.0,
        "budget.epochs": options.epochs,
        "budget.batch_size": BATCH_SIZE,
        "seed": seed,
    }
    return Recipe.from_yaml(path).with_settings(common | values)


def trained(data: PreparedDataset, folder: Path, recipe: Recipe, starts_as_torch: bool) -> ModelBundle:
    """The bundle of the last epoch; the run's folder has all checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    if not checkpoints(folder):
        start(data, folder, recipe, starts_as_torch)
    fit(recipe, data, Keeper(data, folder, recipe.seed, epochs=recipe.budget.epochs))
    last = checkpoints(folder)[-1]
    return ModelBundle.load(write_bundle(folder, recipe, data, last, len(read_history(last))))


def start(data: PreparedDataset, folder: Path, recipe: Recipe, starts_as_torch: bool) -> None:
    """Keeps a checkpoint from before the first step."""
    torch.manual_seed(recipe.seed)
    model = build_network(recipe, data.manifest.contents, data.signature)
    if starts_as_torch:
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
    decay = recipe.optimizer.ema_decay
    average = None if decay is None else MovingAverage(model, decay)
    with tempfile.TemporaryDirectory() as place:
        TrainState(model, build_optimizer(model, recipe.optimizer), average).save(Path(place))
        put(Path(place), folder, 0)


def put(checkpoint: Path, folder: Path, epoch: int) -> None:
    """Copies a checkpoint, whole or not at all."""
    partial = folder / f".{checkpoint_name(epoch)}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(checkpoint, partial)
    partial.rename(folder / checkpoint_name(epoch))


def studied(folder: Path, bundle: ModelBundle, data: PreparedDataset) -> dict[int, GateStudy]:
    """By epoch; written to the run's folder too."""
    studies = study_epochs(folder, bundle, data.folder, "val", lambda *_: None)
    values = {epoch: asdict(study) for epoch, study in studies.items()}
    (folder / "gates.json").write_text(json.dumps(values, indent=1) + "\n")
    return studies


def table(found: dict[tuple[str, int], dict[int, GateStudy]], ways: list[str]) -> str:
    """A line for each way and gate: means over seeds of the last epoch, of what is lost each seed."""
    head = (
        f"{'way':28}{'gate':>6}{'mean':>8}{'spread':>8}{'inside':>8}{'outside':>9}{'satur.':>8}{'dead':>7}{'norm':>8}"
    )
    lines = [head + f"{'gradient':>10}{'share':>8}   Dice lost: places, by seed; skip, by seed"]
    for way in ways:
        last = [studies[max(studies)] for (one, _), studies in found.items() if one == way]
        for name in last[0].gates:
            gates = [study.gates[name] for study in last]
            cells = [fmean(getattr(gate, field) for gate in gates) for field in
                     ("mean", "spread", "inside", "outside", "saturated", "dead", "weight_norm")]  # fmt: skip
            slopes = [fmean(study.gradient[name] for study in last)]
            slopes += [fmean(study.gradient[name] / study.gradient["all"] for study in last)]
            lost = "; ".join(" ".join(f"{study.lost[what][name]:+.3f}" for study in last) for what in last[0].lost)
            widths = (8, 8, 8, 9, 8, 7, 8)
            figures = "".join(f"{value:>{width}.3f}" for value, width in zip(cells, widths, strict=True))
            figures += f"{slopes[0]:>10.2e}{slopes[1]:>8.3f}"
            lines.append(f"{way:28}{gates[0].size_px:>4}px{figures}   {lost}")
        every = "; ".join(" ".join(f"{study.lost[what]['all']:+.3f}" for study in last) for what in last[0].lost)
        dices = " ".join(f"{study.dice:.3f}" for study in last)
        lines.append(f"{way:28}   all gates: Dice {dices} by seed, lost {every}")
    return "\n".join([*lines, "", "SYNTHETIC: a phantom, no patient was scanned. Research use only."])


if __name__ == "__main__":
    main()
