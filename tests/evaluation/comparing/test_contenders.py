from __future__ import annotations

import json
from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.errors import BundleError, ModelError, RecipeError, RegistryError
from glioray.registry.store import Store


@pytest.fixture
def data(make_classification):
    return make_classification([0, 1, 2]).folder


def test_names_are_the_shortest_that_tell_models_apart(data, run, named):
    one, other = run(data, 1), run(data, 2)

    assert [model.name for model in named(one, other)] == ["custom_cnn, seed 1", "custom_cnn, seed 2"]
    assert [model.name for model in named(f"mine={one}", other)] == ["mine", "custom_cnn"]


def test_each_is_tested_on_what_it_was_trained_on_unless_data_are_given(data, run, named):
    references = run(data, 1), run(data, 2)

    assert {str(model.data) for model in named(*references)} == {str(data)}
    assert {str(model.data) for model in named(*references, data="elsewhere")} == {"elsewhere"}


def test_folds_that_are_joined_by_commas_are_one_model(make_segmentation, masks, run, named):
    data = make_segmentation({"A": masks[:2], "B": masks[2:]}, folds=3).folder
    folds = [run(data, 0, fold) for fold in (2, 0, 1)]

    first, second = named(",".join(folds), f"later={','.join(run(data, 1, fold) for fold in range(3))}")

    assert [entry.fold for entry in first.entries] == [0, 1, 2]
    assert (first.name, second.name) == ("classic_unet", "later")


def test_one_model_alone_is_no_comparison(data, run, named):
    with pytest.raises(ModelError, match="takes two models or more, 1 is given: .*glioray evaluate"):
        named(run(data))


def test_the_same_model_twice_is_refused_under_any_name(data, run, named):
    one = run(data, 1)

    with pytest.raises(ModelError, match="are the same model: their weights are equal; leave one out"):
        named(one, one)
    with pytest.raises(ModelError, match="are the same model"):
        named(f"a={one}", f"b={one}/bundle")


def test_a_run_and_what_was_published_of_it_are_the_same_model(make_classification, run, named, tmp_path):
    data = make_classification([0, 1, 2], size_px=80).folder
    published = Store(str(tmp_path / "registry")).publish(Path(run(data, 1)) / "bundle", "kinds", ("latest",))

    assert [model.name for model in named(str(published), run(data, 2))] == ["custom_cnn, seed 1", "custom_cnn, seed 2"]
    with pytest.raises(ModelError, match="kinds@latest and .*run-1 are the same model"):
        named("kinds@latest", run(data, 1))


def test_a_name_that_is_given_twice_is_refused(data, run, named):
    with pytest.raises(ModelError, match="'x' is given 2 times"):
        named(f"x={run(data, 1)}", f"x={run(data, 2)}")


def test_models_of_two_tasks_are_refused(data, make_segmentation, masks, run, named):
    volumes = make_segmentation({"A": masks}, name="volumes").folder

    with pytest.raises(ModelError, match="one is for classification, the other for segmentation"):
        named(run(data, 1), run(volumes, 2))


def test_models_of_other_classes_are_refused(data, run, named):
    one, other = run(data, 1), run(data, 2)
    change_classes(other, ("glioma", "pituitary", "notumor"))

    with pytest.raises(ModelError, match="classes are glioma, meningioma, notumor and glioma, pituitary, notumor"):
        named(one, other)


def test_models_of_other_labels_are_refused(make_segmentation, masks, run, named):
    data = make_segmentation({"A": masks}).folder
    one, other = run(data, 1), run(data, 2)
    swap_labels(other)

    with pytest.raises(ModelError, match=r"labels are necrotic 1, enhancing 4 and enhancing 4, necrotic 1"):
        named(one, other)


def test_several_seeds_are_not_one_model(data, run, named):
    with pytest.raises(ModelError, match="these are 2 seeds, and one model has one answer"):
        named(f"{run(data, 1)},{run(data, 2)}", run(data, 3))


def test_joined_runs_of_unlike_recipes_are_refused(data, run, make_bundle, named, tmp_path):
    unlike = make_bundle(PreparedDataset.open(data), data__path=str(data), seed=1, optimizer__learning_rate=0.5)
    unlike.save(tmp_path / "unlike" / "bundle")

    with pytest.raises(RecipeError, match=r"differ in optimizer\.learning_rate"):
        named(f"{run(data, 2)},{tmp_path / 'unlike'}", run(data, 3))


def test_what_is_not_there_is_said(data, run, named, tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(BundleError, match="holds no bundle"):
        named(run(data), str(tmp_path / "empty"))
    with pytest.raises(RegistryError):
        named(run(data), "nobody@7")


def change_classes(run: str, classes: tuple[str, ...]) -> None:
    rewrite(run, lambda config: config["contents"].update(classes=classes))


def swap_labels(run: str) -> None:
    rewrite(run, lambda config: config["contents"].update(labels={"enhancing": 4, "necrotic": 1}))


def rewrite(run: str, change) -> None:
    path = Path(run) / "bundle" / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
