"""Writes the files of this version that later ones must read, or refuse: python tests/golden/write.py

SYNTHETIC: a phantom with volumes of three patients, a U-Net of two filters trained for two epochs. It writes
`tests/golden/VERSION/`; run it once a release, and keep the folders of the releases before.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

import torch

import glioray
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset, load_side
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.together import evaluate_runs
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.registry.locate import locate
from glioray.registry.rollout import change
from glioray.registry.store import Store
from glioray.serving.predictor import Predictor
from glioray.training.checkpoints import checkpoints
from glioray.training.loop import fit
from glioray.training.record import open_run, write_bundle, write_metrics
from glioray.training.state import read_history
from glioray.training.worker import LocalWorker

HERE = Path(__file__).parent
RECIPE = {
    "task": "segmentation",
    "data": {"path": "data"},
    "model": {"name": "classic_unet", "base_filters": 2, "depth": 1},
    "budget": {"epochs": 2, "batch_size": 4},
    "precision": "fp32",
}
KEPT_OF_EVALUATION = {"metrics.json"}
"""the report's pictures are no files that anything reads"""


def write(out: Path) -> None:
    """All of it, by relative paths only."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_phantom(Path("raw"), PhantomSettings(num_patients=12, image_size=64, num_slices=8, slices_per_patient=2))
        options = PrepareOptions(task="segmentation", image_size=16, val_fraction=0.3, test_fraction=0.3)
        data = prepare("phantom", Path("raw"), Path("data"), options)
        run = _trained(data)
        evaluate_runs([Entry("run", locate("run", "registry"))], Path("data"), None, "test", lambda *_: None)
        for path in (run / "evaluation").iterdir():
            if path.name not in KEPT_OF_EVALUATION:
                path.unlink()
        Store("registry").publish(run / "bundle", "golden")
        change(Store("registry"), "golden")
        Path("data/dataset.html").unlink()
        _write_expected(data)
        shutil.rmtree("raw")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder, out)


def _trained(data: PreparedDataset) -> Path:
    recipe, run = Recipe.from_values(RECIPE), Path("run")
    open_run(run, recipe, data)
    fit(recipe, data, LocalWorker(data, run, recipe.seed))
    newest = checkpoints(run)[-1]
    history = read_history(newest)
    write_metrics(run, history)
    write_bundle(run, recipe, data, newest, int(history[-1]["best_epoch"]))
    return run


def _write_expected(data: PreparedDataset) -> None:
    """What was known when the files were written."""
    bundle = ModelBundle.load(Path("run/bundle"))
    images = load_side(data.folder, data.manifest, "test")["image"]
    said = {
        "fingerprint": data.manifest.fingerprint,
        "mean_pixel": images.double().mean().item(),
        "mean_probability": Predictor.load(bundle).predict(images).double().mean().item(),
        "score": bundle.config.scores[0].model_dump(),
    }
    Path("expected.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(HERE / glioray.__version__)
