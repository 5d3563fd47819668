from __future__ import annotations

import pytest

from glioray.errors import BundleError, RegistryError
from glioray.registry.bundle import Score
from glioray.registry.locate import locate
from glioray.registry.store import Store

SCORE = Score(name="dice", value=0.5, low=None, high=None, split="test", units=1, unit="patients", seed=0)


def test_a_run_a_bundle_and_a_published_name_lead_to_the_same_model(bundle, tmp_path):
    bundle.save(tmp_path / "run" / "bundle")
    registry = str(tmp_path / "registry")
    Store(registry).publish(tmp_path / "run" / "bundle", "unet")

    run, folder, name = (locate(str(r), registry) for r in (tmp_path / "run", tmp_path / "run" / "bundle", "unet"))

    assert run.bundle.config == folder.bundle.config == name.bundle.config == bundle.config
    assert run.evaluation_folder == folder.evaluation_folder == tmp_path / "run" / "evaluation"
    assert name.path is None


def test_what_an_evaluation_adds_is_kept_in_a_run_and_not_in_the_registry(bundle, tmp_path):
    registry = str(tmp_path / "registry")
    bundle.save(tmp_path / "run" / "bundle")
    Store(registry).publish(tmp_path / "run" / "bundle", "unet")

    for name in (str(tmp_path / "run"), "unet"):
        locate(name, registry).keep(bundle.with_scores((SCORE,)))

    assert locate(str(tmp_path / "run"), registry).bundle.config.scores == (SCORE,)
    assert locate("unet", registry).bundle.config.scores == ()


def test_a_published_model_has_no_folder_to_publish_again(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    Store(str(tmp_path / "registry")).publish(tmp_path / "bundle", "unet")

    with pytest.raises(BundleError, match="cannot be published again"):
        _ = locate("unet", str(tmp_path / "registry")).folder


def test_a_run_that_is_not_complete_is_refused(tmp_path):
    with pytest.raises(BundleError, match="holds no bundle"):
        locate(str(tmp_path), "none")


def test_a_path_that_is_not_there_is_no_name(tmp_path):
    with pytest.raises(RegistryError, match="no such folder"):
        locate(str(tmp_path / "gone"), "none")
