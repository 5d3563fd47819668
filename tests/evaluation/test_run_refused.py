"""What an evaluation refuses, and what it marks: leaks, other data, data and answers that do not hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.evaluation.conftest import disc, one_hot, own_mask

from glioray.data.manifest import Leak
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.shards import read_columns
from glioray.errors import DataError, LeakError, ModelError
from glioray.evaluation.result import Evaluation
from glioray.evaluation.run import evaluate
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.training.checkpoints import checkpoints
from glioray.training.loop import fit
from glioray.training.record import write_bundle
from glioray.training.worker import LocalWorker

PHANTOM = PrepareOptions(task="classification", image_size=80, val_fraction=0.3, test_fraction=0.3)


def sources_of(dataset: PreparedDataset, side: str) -> set[str]:
    return set(read_columns(dataset.folder, dataset.manifest, side, ["source"])["source"])


def test_a_published_split_carries_its_leak_line(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 1, 2], leak=Leak(test_images=3, with_copy_in_training=2))
    answer_with(one_hot)

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    assert found.leak == "leaky: 2 of 3 test images have a copy in training"
    assert "published split" in found.split
    assert "leaky: 2 of 3" in (tmp_path / "out" / "report.html").read_text()


def test_other_data_that_hold_scans_it_was_trained_on_are_refused_or_leaky(
    make_classification, make_bundle, tmp_path, answer_with
):
    bundle = make_bundle(make_classification([0, 1, 2]))
    learned = ("hash of test/0.png", "hash of test/2.png", "hash of train/0.png")
    bundle = replace(bundle, config=bundle.config.model_copy(update={"learned_from": learned}))
    answer_with(one_hot)

    other = make_classification([2, 1, 0], name="again").folder
    with pytest.raises(LeakError, match=r"trained on 2 of the 3 scans of the test side \('test/0.png' is one\)"):
        evaluate(bundle, other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found = evaluate(bundle, other, tmp_path / "out", leaky=True)

    assert found.leak == "leaky: it was trained on 2 of the 3 scans"
    assert found.leak in (tmp_path / "out" / "report.html").read_text()


def test_other_data_none_of_which_it_was_trained_on_are_not_leaky(
    make_classification, make_bundle, tmp_path, answer_with
):
    bundle = make_bundle(make_classification([0, 1, 2]))
    answer_with(one_hot)

    assert evaluate(bundle, make_classification([2, 1, 0], name="again").folder, tmp_path / "out").leak is None


def test_a_model_with_the_datas_fingerprint_that_has_seen_the_test_scans_is_refused_or_leaky(
    make_classification, make_bundle, tmp_path, answer_with
):
    dataset = make_classification([0, 1, 2])
    bundle = make_bundle(dataset)
    everything = tuple(sorted(set(bundle.config.learned_from) | dataset.case_hashes("test")))
    bundle = replace(bundle, config=bundle.config.model_copy(update={"learned_from": everything}))
    answer_with(one_hot)

    with pytest.raises(LeakError, match="give --leaky"):
        evaluate(bundle, dataset.folder, tmp_path / "out")
    found = evaluate(bundle, dataset.folder, tmp_path / "out", leaky=True)

    assert found.leak == "leaky: it was trained on 3 of the 3 scans"
    assert not found.belongs_to(bundle.config)
    assert evaluate(bundle, dataset.folder, tmp_path / "val", side="val").leak is None


@pytest.fixture
def trained_on_some(phantom, tmp_path):
    """12 of the 24 scans of the phantom, and a network trained on these for an epoch."""
    some = prepare("phantom", phantom, tmp_path / "some", PHANTOM.model_copy(update={"limit": 12}))
    values = {"task": "classification", "data": {"path": "some"}, "model": {"name": "custom_cnn"}, "precision": "fp32"}
    recipe = Recipe.from_values({**values, "budget": {"epochs": 1, "batch_size": 4}})
    fit(recipe, some, LocalWorker(some, tmp_path / "run", recipe.seed))
    checkpoint = checkpoints(tmp_path / "run")[-1]
    return some, ModelBundle.load(write_bundle(tmp_path / "run", recipe, some, checkpoint, 1))


def test_a_model_of_a_limited_data_set_is_refused_or_leaky_on_the_whole(trained_on_some, phantom, tmp_path):
    some, bundle = trained_on_some
    whole = prepare("phantom", phantom, tmp_path / "whole", PHANTOM.model_copy(update={"seed": 1}))
    tested = sources_of(whole, "test")
    learned = tested & (sources_of(some, "train") | sources_of(some, "val"))
    assert 0 < len(learned) < len(tested)

    with pytest.raises(LeakError, match=f"trained on {len(learned)} of the {len(tested)} scans"):
        evaluate(bundle, whole.folder, tmp_path / "out")
    found = evaluate(bundle, whole.folder, tmp_path / "out", leaky=True)

    assert found.leak == f"leaky: it was trained on {len(learned)} of the {len(tested)} scans"
    assert evaluate(bundle, some.folder, tmp_path / "own").leak is None


def test_other_data_than_trained_from_are_marked(make_classification, make_bundle, tmp_path, answer_with):
    bundle = make_bundle(make_classification([0, 1, 2]))
    bundle = replace(bundle, config=bundle.config.model_copy(update={"source_hash": "of other scans"}))
    other = make_classification([2, 1, 0], name="other")
    answer_with(one_hot)

    found = evaluate(bundle, other.folder, tmp_path / "out")

    assert not found.is_own_data
    assert "other data than it was trained from" in found.score("accuracy").split
    assert "Other data than the model was trained from" in (tmp_path / "out" / "report.html").read_text()


def test_the_validation_side_is_marked(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 1, 2])
    answer_with(one_hot)

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out", side="val")

    assert found.split.startswith("val, ")
    assert "Not the test side" in (tmp_path / "out" / "report.html").read_text()


def test_another_image_size_is_refused_with_both_sizes(make_classification, make_bundle, tmp_path):
    bundle = make_bundle(make_classification([0, 1, 2], size_px=16))
    other = make_classification([0, 1, 2], name="other", size_px=32)

    with pytest.raises(ModelError, match=r"image_size of the data is 32, the model was trained with 16"):
        evaluate(bundle, other.folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_task_is_refused(make_classification, make_segmentation, make_bundle, tmp_path):
    bundle = make_bundle(make_classification([0, 1, 2]))
    other = make_segmentation({"A": [disc(16, 1, slice(4), slice(4))]}, name="other")

    with pytest.raises(ModelError, match="task of the data is 'segmentation'"):
        evaluate(bundle, other.folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"channels": ("t1",)}, "channels of the data is"),
        ({"classes": ("a", "b", "c")}, "classes of the data is"),
    ],
)
def test_other_channels_or_classes_are_refused(make_classification, make_bundle, tmp_path, change, expected):
    dataset = make_classification([0, 1, 2])
    manifest = dataset.manifest
    manifest.model_copy(update={"contents": manifest.contents.model_copy(update=change)}).save(dataset.folder)

    bundle = make_bundle(dataset)
    with pytest.raises(ModelError, match=expected):
        evaluate(bundle, dataset.folder, tmp_path / "out")


def test_the_same_labels_in_another_order_are_refused(make_segmentation, make_bundle, tmp_path):
    dataset = make_segmentation({"A": [disc(16, 1, slice(4), slice(4))]})
    bundle = make_bundle(dataset)
    turned = dict(reversed(dataset.manifest.contents.labels.items()))
    contents = dataset.manifest.contents.model_copy(update={"labels": turned})
    dataset.manifest.model_copy(update={"contents": contents}).save(dataset.folder)

    with pytest.raises(ModelError, match="order of the labels"):
        evaluate(bundle, dataset.folder, tmp_path / "out")


def test_changed_pixels_are_refused_by_their_hash(make_classification, make_bundle, tmp_path):
    dataset = make_classification([0, 1, 2])
    other = make_classification([0, 1, 1], name="other")
    shard = "split=test/part-00000.parquet"
    (other.folder / shard).replace(dataset.folder / shard)

    with pytest.raises(DataError, match="changed since it was written"):
        evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")


def test_a_folder_with_something_else_in_it_is_left_alone(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 1, 2])
    answer_with(one_hot)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")

    with pytest.raises(DataError, match=r"holds 'thesis.tex'"):
        evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


def test_an_earlier_evaluation_is_replaced(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 1, 2])
    bundle = make_bundle(dataset)
    answer_with(one_hot)
    evaluate(bundle, dataset.folder, tmp_path / "out")
    answer_with(lambda images: torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(images), 1))

    found = evaluate(bundle, dataset.folder, tmp_path / "out")

    assert Evaluation.load(tmp_path / "out") == found
    assert found.score("accuracy").value == pytest.approx(1 / 3)


def test_a_failure_while_writing_leaves_nothing(make_classification, make_bundle, tmp_path, answer_with, monkeypatch):
    dataset = make_classification([0, 1, 2])
    answer_with(one_hot)
    monkeypatch.setattr("glioray.evaluation.run.write_report", lambda *args: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_leak_in_the_shards_is_refused(make_classification, make_bundle, tmp_path):
    dataset = make_classification([0, 1, 2])
    bundle = make_bundle(dataset)
    shards = {side: f"split={side}/part-00000.parquet" for side in ("val", "test")}
    (dataset.folder / shards["val"]).write_bytes((dataset.folder / shards["test"]).read_bytes())
    manifest = dataset.manifest
    hashes = {shard.path: shard.sha256 for shard in manifest.shards}
    copied = [
        shard.model_copy(update={"sha256": hashes[shards["test"]]}) if shard.side == "val" else shard
        for shard in manifest.shards
    ]
    manifest.model_copy(update={"shards": tuple(copied)}).save(dataset.folder)

    with pytest.raises(LeakError, match="test-g000"):
        evaluate(bundle, dataset.folder, tmp_path / "out")


def test_a_mask_with_an_unknown_label_is_refused(make_segmentation, make_bundle, tmp_path, answer_with):
    dataset = make_segmentation({"A": [disc(16, 4, slice(4), slice(4))], "B": [disc(16, 7, slice(4), slice(4))]})
    answer_with(own_mask)

    with pytest.raises(DataError, match=r"mask of 'B/0.tif' holds 7, which is no label"):
        evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")


def test_an_answer_that_is_not_a_number_is_refused(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 1, 2])
    answer_with(lambda images: torch.full((len(images), 3), torch.nan))

    with pytest.raises(ModelError, match=r"'test/0.png' or an image after it is not a number"):
        evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")


def test_folds_are_refused_for_a_model_that_was_trained_without(make_classification, make_bundle, tmp_path):
    bundle = make_bundle(make_classification([0, 1, 2], size_px=80))
    folds = make_classification([0, 1, 2], name="folds", size_px=80, folds=3).folder

    with pytest.raises(DataError, match="these data are 3 folds; the model was trained without"):
        evaluate(bundle, folds, tmp_path / "out")
