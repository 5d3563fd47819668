from __future__ import annotations

from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.options import planned_recipe
from glioray.recipe import Recipe
from glioray.training.auto import activation_bytes, resolved


@pytest.fixture
def auto_recipe(unet_recipe: Recipe) -> Recipe:
    return unet_recipe.with_values("plan", "auto")


def test_the_data_decide_what_is_left_open(auto_recipe: Recipe, volumes: PreparedDataset) -> None:
    recipe, taken = resolved(auto_recipe, given=())
    pixels = volumes.manifest.sides["train"].label_pixels
    assert recipe.data.image_size == 32
    weights = recipe.loss.class_weights  # type: ignore[attr-defined]
    assert sorted(weights) == [weights[i] for i in sorted(range(3), key=lambda i: -list(pixels.values())[i])]
    assert sum(weights) == pytest.approx(3, abs=1e-3)
    assert all(found.why for found in taken)


def test_what_a_person_gives_stays(auto_recipe: Recipe) -> None:
    recipe, taken = resolved(auto_recipe, given={"budget.batch_size", "loss.class_weights"})
    assert recipe.budget.batch_size == auto_recipe.budget.batch_size
    assert recipe.loss.class_weights is None  # type: ignore[attr-defined]
    assert not {"budget.batch_size", "loss.class_weights"} & {found.path for found in taken}


def test_the_batch_fits_the_memory(auto_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glioray.training.auto.LARGEST_BATCH", 8)
    monkeypatch.setattr("glioray.training.auto.SMALLEST_BATCH", 1)
    sizes = {}
    for free in (1e12, 3e6, 1.0):
        monkeypatch.setattr("glioray.training.auto._worker_bytes", lambda recipe, free=free: free)
        monkeypatch.setattr("glioray.training.auto.UPDATES", 1)
        sizes[free] = resolved(auto_recipe, ())[0].budget.batch_size
    assert sizes[1e12] == 8
    assert 1 <= sizes[3e6] < 8
    assert sizes[1.0] == 1


def test_only_a_portion_of_the_batch_has_to_fit(
    auto_recipe: Recipe, volumes: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_bytes = activation_bytes(auto_recipe, volumes) * 3.0
    monkeypatch.setattr("glioray.training.auto.UPDATES", 0)
    monkeypatch.setattr("glioray.training.auto._worker_bytes", lambda recipe: 5 * image_bytes / 0.3)
    sizes = []
    for portions in (1, 4, 3):
        recipe = auto_recipe.with_values("budget.batch_size", 12).with_values("budget.accumulate", portions)
        sizes.append(resolved(recipe, given=())[0].budget.batch_size)
    assert sizes == [4, 16, 15]  # portions of 4, 4 and 5


def test_weights_of_labels_are_not_those_of_regions(auto_recipe: Recipe) -> None:
    labels, regions = auto_recipe, auto_recipe.with_values("loss.target", "regions")
    taken = [{found.path for found in resolved(one, given=())[1]} for one in (labels, regions)]
    assert taken[0] - taken[1] == {"loss.class_weights"}


def test_a_loss_that_weighs_no_outputs_gets_no_weights(auto_recipe: Recipe) -> None:
    recipe, _ = resolved(auto_recipe.with_values("loss.bce_weight", 0), given=())
    assert recipe.loss.class_weights is None  # type: ignore[attr-defined]


def test_activations_are_all_that_the_layers_give_out(unet_recipe: Recipe, volumes: PreparedDataset) -> None:
    twice = unet_recipe.with_values("model.base_filters", 4)
    one, two = activation_bytes(unet_recipe, volumes), activation_bytes(twice, volumes)
    assert 1.5 * one < two < 2.1 * one


def test_a_file_and_set_count_as_given(volumes: PreparedDataset, tmp_path: Path) -> None:
    file = tmp_path / "auto.yaml"
    file.write_text(
        "recipe:\n  task: segmentation\n  plan: auto\n"
        f"  data: {{path: {volumes.folder}}}\n  model: {{name: classic_unet, base_filters: 2, depth: 2}}\n"
        "  loss: {class_weights: [1, 1, 1]}\n"
    )
    recipe, lines = planned_recipe(file, ["budget.batch_size=2"])
    assert recipe.budget.batch_size == 2
    assert recipe.loss.class_weights == (1, 1, 1)  # type: ignore[attr-defined]
    assert [line.split(" = ")[0] for line in lines] == ["plan: data.image_size"]
