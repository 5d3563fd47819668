from __future__ import annotations

import math

import pytest
import torch

from glioray.data.prepared import PreparedDataset
from glioray.errors import BundleError, ModelError
from glioray.evaluation.side import SideRows
from glioray.explain.gates import replaced_gates
from glioray.insight.epochs import bundles_by_epoch, study_epochs
from glioray.insight.gate_pictures import spread
from glioray.insight.gate_study import study_gates
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.registry.locate import locate
from glioray.serving.predictor import Predictor
from glioray.tasks import _contract as tasks
from glioray.training.checkpoints import checkpoints
from glioray.training.loop import fit
from glioray.training.record import write_bundle
from glioray.training.state import read_history
from glioray.training.worker import LocalWorker

UNET = {"name": "attention_unet", "base_filters": 2, "depth": 2}


@pytest.fixture(scope="session")
def run(volumes: PreparedDataset, tmp_path_factory: pytest.TempPathFactory):
    """The folder of a training of three epochs."""
    values = {"task": "segmentation", "data": {"path": str(volumes.folder)}, "model": UNET, "loss": {}}
    recipe = Recipe.from_values(values | {"budget": {"epochs": 3, "batch_size": 4}, "precision": "fp32"})
    folder = tmp_path_factory.mktemp("run")
    fit(recipe, volumes, LocalWorker(volumes, folder, 0))
    last = checkpoints(folder)[-1]
    write_bundle(folder, recipe, volumes, last, len(read_history(last)))
    return folder


def test_dice_is_that_of_the_training_without_mirrored_copies(run, volumes):
    """What validation wrote into the history, but for the folding of norms."""
    history = read_history(checkpoints(run)[-1])

    study = study_gates(ModelBundle.load(run / "bundle"), SideRows.read(volumes, "val"))

    assert study.dice == pytest.approx(history[-1]["val/dice"], abs=0.01)


def test_what_is_lost_is_the_dice_of_the_network_with_that_gate_replaced(unet, volumes):
    """By hand for the finest gate, whose skip is taken away."""
    rows = SideRows.read(volumes, "val")
    study = study_gates(unet, rows)
    predictor = Predictor.load(unet)
    task = tasks.build(
        volumes.manifest.contents, Recipe.from_values(unet.config.recipe).loss, len(volumes.split.patients)
    )
    (batch,) = rows.batches(64)

    with replaced_gates(predictor.network, {"join.1.gate.sigmoid": 0.0}):
        labels = predictor.label_map(predictor.mirrored_mean(batch["image"], "none"))

    dice = task.metrics(task.count_masks(labels, batch))["dice"]
    assert study.lost["skip"]["join.1.gate.sigmoid"] == pytest.approx(study.dice - dice)
    assert set(study.lost["places"]) == {"join.0.gate.sigmoid", "join.1.gate.sigmoid", "all"}


def test_the_figures_are_over_all_rows_of_the_side(unet, volumes):
    """The same whether the rows come in one portion or in several."""
    rows = SideRows.read(volumes, "val")
    whole = study_gates(unet, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glioray.insight.gate_study.BATCH_SIZE", 3)
        apart = study_gates(unet, rows)

    for name, gate in whole.gates.items():
        assert gate.mean == pytest.approx(apart.gates[name].mean, abs=1e-6)
        assert gate.dead == apart.gates[name].dead
    assert all(value > 0 and math.isfinite(value) for value in whole.gradient.values())


def test_a_network_without_gates_is_refused(bundle_of, volumes):
    bundle = bundle_of(volumes, {"name": "classic_unet", "base_filters": 2, "depth": 2})

    with pytest.raises(ModelError, match="classic_unet has no gates; attention_unet is the network that has them"):
        study_gates(bundle, SideRows.read(volumes, "val"))


def test_each_checkpoint_that_was_kept_is_looked_at(run, volumes):
    bundle = ModelBundle.load(run / "bundle")
    told = []

    found = study_epochs(run, bundle, volumes.folder, "val", lambda *facts: told.append(facts))

    assert sorted(found) == [int(path.name[-5:]) for path in checkpoints(run)]
    assert max(found) == 3
    assert told[-1] == ("epochs", len(found), len(found))
    assert len({study.gates["join.1.gate.sigmoid"].mean for study in found.values()}) == len(found)


def test_a_run_without_checkpoints_is_refused(run, tmp_path):
    with pytest.raises(BundleError, match="has kept no checkpoints"):
        bundles_by_epoch(tmp_path, ModelBundle.load(run / "bundle"))


def test_a_damaged_checkpoint_is_named(run, tmp_path):
    import shutil

    shutil.copytree(run, tmp_path / "run")
    damaged = checkpoints(tmp_path / "run")[0]
    (damaged / "model.safetensors").write_bytes(b"no weights")

    with pytest.raises(BundleError, match=rf"{damaged}: damaged, model.safetensors is not what was written"):
        bundles_by_epoch(tmp_path / "run", ModelBundle.load(run / "bundle"))


def test_epochs_come_onto_the_page(run, command, tmp_path):
    out = command("explain", run, "--epochs", "--out", tmp_path / "out", "--json")[0]

    assert '"epochs": {"' in out
    assert {path.name for path in (tmp_path / "out" / "pictures").iterdir()} == {
        "gates-curves.png", "gates-from-0-to-1.png", "gates-own-scale.png", "kernels.png",
    }  # fmt: skip
    assert locate(str(run), "registry").bundle.config.scores == ()


def test_of_many_epochs_the_first_and_the_last_are_shown():
    assert spread([3, 4], 8) == [3, 4]
    found = spread(list(range(1, 101)), 8)
    assert (found[0], found[-1], len(found)) == (1, 100, 8)
    assert torch.diff(torch.tensor(found)).diff().min() >= 0
