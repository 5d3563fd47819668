from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from glioray.cli import main
from glioray.errors import ClusterError
from glioray.recipe import Recipe

ROOT = Path(__file__).parent.parent
UNET = str(ROOT / "search_spaces" / "classic_unet.yaml")


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command that must fail with exit code 1; gives its lines on the error stream."""

    def run(*arguments: object) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["glioray", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 1
        return capsys.readouterr().err.strip().splitlines()

    return run


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv=['glioray','--help']\nfrom glioray.cli import main\n"
        "try: main()\nexcept SystemExit: pass\nprint({'torch','ray','numpy','pydantic','yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")


def test_a_misspelt_key_is_one_line_with_the_nearest_name(fail) -> None:
    (line,) = fail("train", UNET, "--set", "model.base_filter=8")
    assert line == "RecipeError: model.base_filter: there is no setting 'base_filter'; did you mean 'base_filters'?"


def test_zero_filters_are_one_line_with_the_bound(fail) -> None:
    (line,) = fail("train", UNET, "--set", "model.base_filters=0")
    assert "model.base_filters: 0 is refused: input should be greater than or equal to 2" in line


def test_a_recipe_that_is_not_there_is_one_line(fail) -> None:
    (line,) = fail("train", ROOT / "search_spaces" / "clasic_unet.yaml")
    assert line.endswith("no such recipe; did you mean 'classic_unet.yaml'?")


def test_shards_that_are_not_there_are_one_line_that_says_what_to_do(fail, tmp_path: Path) -> None:
    (line,) = fail("train", UNET, "--set", f"data.path={tmp_path}/none", "--runs", tmp_path / "runs")
    assert "no such file" in line
    assert "glioray prepare" in line
    assert not (tmp_path / "runs").exists()


def test_an_unknown_source_is_one_line(fail, tmp_path: Path) -> None:
    (line,) = fail("prepare", "kagle_mri", tmp_path, "--out", tmp_path / "out")
    assert "did you mean 'kaggle_mri'?" in line
    assert not (tmp_path / "out").exists()


def test_a_set_without_a_value_is_one_line(fail) -> None:
    (line,) = fail("train", UNET, "--set", "budget.epochs")
    assert "write it as NAME=VALUE" in line


def test_serving_the_world_is_refused_in_one_line(fail) -> None:
    (line,) = fail("serve", "--config", ROOT / "serve" / "local.yaml", "--host", "0.0.0.0")
    assert "loopback" in line


def test_serving_with_keys_that_are_too_short_is_one_line_without_the_key(fail, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("ward:guess-me\n")
    (line,) = fail("serve", "--config", ROOT / "serve" / "local.yaml", "--host", "0.0.0.0", "--keys", tmp_path / "keys")
    assert "the key of 'ward' has 8 characters, at least 16 are wanted" in line
    assert "guess-me" not in line


def test_serving_nothing_is_one_line(fail, tmp_path: Path) -> None:
    (line,) = fail("serve", "--config", ROOT / "serve" / "local.yaml", "--registry", tmp_path / "none")
    assert "holds no model; publish one" in line


def test_a_value_that_is_no_yaml_is_one_line(fail) -> None:
    (line,) = fail("train", UNET, "--set", "model.name=[")
    assert "not readable as YAML" in line


def test_prepare_prints_one_json_object(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["prepare", "phantom", str(phantom), "--out", str(tmp_path / "out"), "--image-size", "32", "--json"]
    monkeypatch.setattr(sys, "argv", ["glioray", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert json.loads(capsys.readouterr().out)["images"] == 24


def gated_by_adam(unet_recipe: Recipe, folder: Path) -> Path:
    gated = unet_recipe.values() | {"model": {"name": "attention_unet", "base_filters": 4, "depth": 1}}
    path = folder / "recipe.yaml"
    path.write_text(Recipe.from_values(gated).with_values("optimizer.name", "adam").to_yaml())
    return path


def test_train_warns_before_anything_starts(fail, monkeypatch, unet_recipe, tmp_path: Path) -> None:
    def no_ray(*_: object, **__: object) -> None:
        raise ClusterError("no Ray here")

    monkeypatch.setattr("glioray.cluster.connect", no_ray)
    warning, *_, refusal = fail("train", gated_by_adam(unet_recipe, tmp_path), "--runs", tmp_path / "runs")
    assert "adam's decay shuts off gates for good" in warning
    assert refusal.endswith("no Ray here")


def test_plan_says_what_a_run_would_take(monkeypatch, capsys, unet_recipe, tmp_path: Path) -> None:
    recipe = gated_by_adam(unet_recipe, tmp_path)
    monkeypatch.setattr("glioray.training.estimate.TRIAL_S", 0.0)
    monkeypatch.setattr(sys, "argv", ["glioray", "plan", str(recipe), "--runs", str(tmp_path / "runs"), "--json"])

    with contextlib.suppress(SystemExit):
        main()

    output, errors = capsys.readouterr()
    assert "adam's decay shuts off gates for good" in errors
    found = json.loads(output)
    assert found["run_s"] == pytest.approx(3 * found["epoch_s"])
    assert found["worker_bytes"] > 1e8
    assert not (tmp_path / "runs").exists()


def test_models_lists_every_architecture(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["glioray", "models", "--json", "--registry", "memory://nothing"])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out)["architectures"] == [
        "alexnet", "attention_unet", "classic_unet", "custom_cnn", "improved_unet", "monai_net", "timm_classifier",
        "timm_unet", "vgg16", "vit",
    ]  # fmt: skip
