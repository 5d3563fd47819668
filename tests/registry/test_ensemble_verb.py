from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from glioray.cli import main
from glioray.registry.locate import locate
from glioray.registry.store import Store


@pytest.fixture
def runs(bundle, another, tmp_path) -> list[str]:
    """A run, and a published model."""
    bundle.save(tmp_path / "run" / "bundle")
    another(1, {"answer.flips": "both"}).save(tmp_path / "other")
    Store(str(tmp_path / "registry")).publish(tmp_path / "other", "unet")
    return [str(tmp_path / "run"), "unet@1", "--registry", str(tmp_path / "registry"), "--out", str(tmp_path / "both")]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["glioray", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (0, None)


def test_a_run_and_a_published_model_become_one(runs, monkeypatch, capsys, tmp_path: Path) -> None:
    call(monkeypatch, "ensemble", *runs, "--flips", "horizontal", "--smallest-part-px", "7", "--json")

    facts = json.loads(capsys.readouterr().out)
    config = locate(str(tmp_path / "both"), "none").bundle.config
    assert facts["is"] == "average of 2: classic_unet, classic_unet, seeds 0, 1"
    assert facts["answering"].endswith("mirrored left-right; parts of the mask under 7 px removed")
    assert (config.flips, config.smallest_part_px) == ("horizontal", 7)


def test_the_list_of_models_says_what_an_average_is(runs, monkeypatch, capsys, tmp_path: Path) -> None:
    call(monkeypatch, "ensemble", *runs, "--flips", "none", "--json")
    call(monkeypatch, "publish", str(tmp_path / "both"), "both", *runs[2:4])
    capsys.readouterr()

    monkeypatch.setenv("COLUMNS", "300")
    call(monkeypatch, "models", *runs[2:4])

    assert "average of 2: classic_unet, classic_unet" in capsys.readouterr().out


def test_what_differs_is_one_line_and_nothing_is_written(runs, monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["glioray", "ensemble", *runs])
    with pytest.raises(SystemExit) as stopped:
        main()

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 1
    assert line.startswith("ModelError: unet@1: answer.flips is 'both'")
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(("fold", "verb"), [(None, "evaluate"), (1, "publish")])
def test_folds_are_published_next_and_seeds_are_evaluated(another, monkeypatch, capsys, tmp_path, fold, verb) -> None:
    for seed, settings in enumerate(({"data.fold": fold and 0}, {"data.fold": fold})):
        another(seed, settings).save(tmp_path / str(seed) / "bundle")
    monkeypatch.chdir(tmp_path)

    call(monkeypatch, "ensemble", "0", "1", "--out", "both")

    assert f"glioray {verb} both" in capsys.readouterr().out
