from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioray.errors import RecipeError
from glioray.recipe import Recipe

PLAIN = {"task": "classification", "data": {"path": "data/toy"}, "model": {"name": "custom_cnn"}}
UNET = {**PLAIN, "task": "segmentation", "model": {"name": "classic_unet"}}
UNKNOWN = "there is no such setting"
OTHER_VALUES = [
    ("data.path", "elsewhere"),
    ("data.image_size", 256),
    ("model.dropout", 0.1),
    ("optimizer.name", "sgd"),
    ("optimizer.learning_rate", 0.25),
    ("optimizer.clip_norm", 1.0),
    ("schedule.warmup_epochs", 3),
    ("augmentation.scale", 0.2),
    ("loss.label_smoothing", 0.1),
    ("budget.epochs", 3),
    ("budget.patience", 2),
    ("scaling.num_workers", 4),
    ("scaling.use_gpu", True),
    ("seed", 9),
    ("precision", "fp32"),
]


def refusal(values: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_values(values, "x.yaml")
    return str(caught.value)


def plain() -> Recipe:
    return Recipe.from_values(PLAIN)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seeds": 3}, "x.yaml: seeds: there is no such setting; did you mean 'seed'?"),
        ({"optimizer": {"lerning_rate": 1}}, f"optimizer.lerning_rate: {UNKNOWN}; did you mean 'learning_rate'?"),
        ({"model": {"name": "custom_cnn", "dropuot": 0}}, f"model.dropuot: {UNKNOWN}; did you mean 'dropout'?"),
        ({"loss": {"smoothing": 0}}, f"x.yaml: loss.smoothing: {UNKNOWN}; did you mean 'label_smoothing'?"),
        ({"model": {"name": "custom_cn"}}, "model.name: no architecture is called 'custom_cn'; did you mean "),
        ({"model": {}}, "x.yaml: model.name: missing; there is: "),
        ({"model": "custom_cnn"}, "x.yaml: model: 'custom_cnn' is refused: write it as `model: {name: custom_cnn}`"),
        ({"data": {}}, "x.yaml: data.path: missing"),
        ({"optimizer": 3}, "x.yaml: optimizer: 3 is refused: input should be a valid dictionary"),
        ({"loss": None}, "x.yaml: loss: None is refused: input should be a valid dictionary"),
        ({"budget": {"epochs": 0}}, "x.yaml: budget.epochs: 0 is refused: input should be greater than or equal to 1"),
        ({"budget": {"epochs": 1.5}}, "x.yaml: budget.epochs: 1.5 is refused: input should be a valid integer"),
        ({"optimizer": {"learning_rate": math.nan}}, "x.yaml: optimizer.learning_rate: nan is refused"),
        ({"optimizer": {"learning_rate": math.inf}}, "x.yaml: optimizer.learning_rate: inf is refused"),
        ({"precision": "fp16"}, "x.yaml: precision: 'fp16' is refused: input should be 'auto', 'fp32' or 'bf16'"),
        ({"task": "segmentaton"}, "task: 'segmentaton' is refused: input should be 'classification' or 'segment"),
        ({"task": "segmentation"}, "model 'custom_cnn' is for classification, the task is segmentation"),
        ({"scaling": {"num_workers": 2, "min_workers": 3}}, "scaling.min_workers 3 is above scaling.num_workers 2"),
        ({"scaling": {"num_workers": 64}}, "budget.batch_size 32 leaves some of 64 workers without an image"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_path_and_what_would_be_right(change, expected):
    assert expected in refusal({**PLAIN, **change})


def test_a_check_across_the_settings_of_a_section_names_the_section():
    text = refusal({**UNET, "loss": {"bce_weight": 0, "dice_weight": 0}})

    assert text.startswith("x.yaml: loss: bce_weight and dice_weight are both 0")


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ({"class_weights": [1.0, 2.0]}, "class_weights are of cross-entropy and focal loss"),
        ({"foreground_weight": 2.0}, "foreground_weight 2.0 is of the cross-entropy, bce_weight is 0"),
    ],
)
def test_weights_of_a_loss_that_is_off_are_refused(loss, expected):
    assert f"x.yaml: loss: {expected}" in refusal({**UNET, "loss": {"bce_weight": 0, **loss}})


@pytest.mark.parametrize(
    ("sizes_px", "expected"),
    [
        (4, "answer.smallest_part_px: 4 is refused: a list, as [4, 16]"),
        ([4, 1], "answer.smallest_part_px.1: 1 is refused: input should be greater than or equal to 2"),
        ([10**6], "answer.smallest_part_px.0: 1000000 is refused: input should be less than or equal to 100000"),
    ],
)
def test_sizes_of_parts_are_a_list_within_bounds(sizes_px, expected):
    assert expected in refusal({**UNET, "answer": {"smallest_part_px": sizes_px}})


def test_another_network_of_monai_starts_from_its_own_arguments():
    model = {"name": "monai_net", "arguments": {"num_res_units": 2}}
    recipe = Recipe.from_values({**UNET, "model": model})

    other = recipe.with_values("model.network", "SegResNet").with_values("model.arguments", {"init_filters": 8})

    assert other.model.arguments == {"init_filters": 8}
    assert recipe.with_values("model.network", "UNet") == recipe


def test_all_that_is_wrong_is_said_at_once():
    text = refusal(
        {**PLAIN, "seed": -1, "loss": {"a": 1}, "model": {"name": "custom_cnn", "dropout": 2}, "budget": {"epocs": 3}}
    )

    paths = {line.split(": ")[1] for line in text.splitlines()}
    assert paths == {"model.dropout", "loss.a", "seed", "budget.epocs"}


@pytest.mark.parametrize("values", [None, [], "recipe", 3])
def test_values_that_are_no_settings_are_refused(values):
    assert "a recipe holds settings (task, data, model" in refusal(values)


@pytest.mark.parametrize(("path", "value"), OTHER_VALUES)
def test_with_values_changes_one_setting_and_nothing_else(path, value):
    changed = plain().with_values(path, value)

    found: Any = changed.values()
    for part in path.split("."):
        found = found[part]
    before = plain()
    original: Any = before.values()
    for part in path.split("."):
        original = original[part]
    assert found == value != original
    assert changed.with_values(path, original) == before


@given(
    learning_rate=st.floats(1e-9, 1),
    dropout=st.floats(0, 0.999),
    epochs=st.integers(1, 10_000),
    seed=st.integers(0, 2**31 - 1),
)
def test_any_recipe_survives_its_values(learning_rate, dropout, epochs, seed):
    recipe = plain().with_values("optimizer.learning_rate", learning_rate).with_values("model.dropout", dropout)
    recipe = recipe.with_values("budget.epochs", epochs).with_values("seed", seed)

    assert Recipe.from_values(recipe.values()) == recipe


SETTINGS = {
    "optimizer.learning_rate": st.floats(1e-9, 1),
    "optimizer.clip_norm": st.none() | st.floats(1e-3, 1000),
    "optimizer.name": st.sampled_from(["adam", "adamw", "sgd"]),
    "model.dropout": st.floats(0, 0.999),
    "data.path": st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable()),
    "data.fold": st.none() | st.integers(0, 19),
    "budget.epochs": st.integers(1, 10_000),
    "loss.label_smoothing": st.floats(0, 0.5),
    "loss.class_weights": st.none() | st.lists(st.floats(0.1, 9), min_size=1, max_size=4),
    "scaling.use_gpu": st.booleans(),
    "seed": st.integers(0, 2**31 - 1),
}
some_settings = st.fixed_dictionaries({}, optional=SETTINGS)


@given(some_settings, st.data())
def test_settings_may_be_given_in_any_order_and_one_by_one(settings, data):
    one_by_one = plain()
    for path in data.draw(st.permutations(sorted(settings))):
        one_by_one = one_by_one.with_values(path, settings[path])

    together = plain().with_settings(settings)

    assert one_by_one == together
    assert one_by_one.fingerprint == together.fingerprint


@given(some_settings)
def test_any_recipe_survives_its_yaml_with_its_fingerprint(tmp_path_factory, settings):
    recipe = plain().with_settings(settings)
    path = tmp_path_factory.mktemp("recipe") / "saved.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")

    assert Recipe.from_yaml(path) == recipe
    assert Recipe.from_yaml(path).fingerprint == recipe.fingerprint


@pytest.mark.parametrize("path", SETTINGS)
@given(settings=some_settings, data=st.data())
@hypothesis.settings(max_examples=8)
def test_any_setting_changes_the_fingerprint_just_if_it_decides_another_run(path, settings, data):
    recipe = plain().with_settings(settings)
    other = recipe.with_values(path, data.draw(SETTINGS[path]))

    assert (other.fingerprint == recipe.fingerprint) == (other.values() == recipe.values())
    assert recipe.with_values("scaling.cpus_per_worker", 3.5).fingerprint == recipe.fingerprint


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("optimizer.learning_rte", "there is no setting 'learning_rte'; did you mean 'learning_rate'?"),
        ("optimzer.learning_rate", "there is no section 'optimzer'; did you mean 'optimizer'?"),
        ("optimizer.learning_rate.x", "there is no section 'optimizer.learning_rate'"),
        ("", "there is no setting ''"),
    ],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_refused(path, expected):
    with pytest.raises(RecipeError) as caught:
        plain().with_values(path, 1)
    assert str(caught.value).startswith(path)
    assert expected in str(caught.value)


def test_a_value_that_does_not_fit_is_named_by_the_option_that_gave_it():
    with pytest.raises(RecipeError, match=r"--set model.dropout=7: model.dropout: 7 is refused"):
        plain().with_values("model.dropout", 7)


def test_another_architecture_starts_from_its_own_defaults():
    recipe = Recipe.from_values({**UNET, "model": {"name": "classic_unet", "base_filters": 4}})

    assert recipe.with_values("model.name", "classic_unet").model == recipe.model
    with pytest.raises(RecipeError, match="model 'custom_cnn' is for classification"):
        recipe.with_values("model.name", "custom_cnn")


def test_a_recipe_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        plain().seed = 3


@pytest.mark.parametrize(("path", "value"), OTHER_VALUES)
def test_the_fingerprint_changes_with_what_decides_the_result(path, value):
    assert plain().with_values(path, value).fingerprint != plain().fingerprint


def test_the_fingerprint_is_what_it_was_before_there_were_elastic_runs():
    values = plain().values()
    del values["scaling"]["min_workers"]
    content = json.dumps(values, separators=(",", ":")).encode()
    assert plain().fingerprint == hashlib.sha256(content).hexdigest()[:8]


def test_a_bound_that_allows_no_fewer_workers_is_none():
    assert plain().with_values("scaling.min_workers", 1).fingerprint == plain().fingerprint


def test_an_elastic_run_is_another_one_whose_lower_bound_may_be_moved():
    fixed = plain().with_values("scaling.num_workers", 4)
    three, two = (fixed.with_values("scaling.min_workers", fewest).fingerprint for fewest in (3, 2))
    assert three == two != fixed.fingerprint
