"""Files of this version and of those before: read as they were meant, or refused with what makes them anew.

`tests/golden/write.py` wrote them; SYNTHETIC.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from glioray.data.manifest import Manifest
from glioray.data.prepared import PreparedDataset, load_side
from glioray.data.split import Split
from glioray.errors import BundleError, GliorayError, RegistryError, SchemaError
from glioray.evaluation.result import Evaluation
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.registry.rollout import Rollout, read_rollout
from glioray.registry.store import Store
from glioray.serving.predictor import Predictor
from glioray.training.checkpoints import checkpoints
from glioray.training.optimizer import build_optimizer
from glioray.training.record import read_metrics
from glioray.training.state import TrainState, read_history

STATE_FILE = "run/checkpoint_00002/state.json"
MARKER_FILE, ROLLOUT_FILE = "registry/golden/1/PUBLISHED.json", "registry/golden/rollout.json"
GOLDEN = Path(__file__).parent / "golden"
WRITTEN = sorted(folder.name for folder in GOLDEN.iterdir() if (folder / "expected.json").exists())
every_release = pytest.mark.parametrize("release", WRITTEN)


class Kind(NamedTuple):
    """A file with a version, what reads it, how another version is refused, and the command that the line ends with."""

    file: str
    read: Callable[[Path], Any]
    error: type[GliorayError]
    remedy: str
    may_be_unnamed: bool = False


def store_of(root: Path) -> Store:
    return Store(str(root / "registry"))


PREPARE = "glioray prepare SOURCE RAW --out"
KINDS = (
    Kind("data/manifest.json", lambda at: Manifest.load(at / "data"), SchemaError, PREPARE),
    Kind("data/split.json", lambda at: Split.load(at / "data"), SchemaError, PREPARE, True),
    Kind("run/bundle/config.json", lambda at: ModelBundle.load(at / "run/bundle"), BundleError, "publish RUN"),
    Kind(
        "run/evaluation/metrics.json",
        lambda at: Evaluation.load(at / "run/evaluation"),
        SchemaError,
        "evaluate RUN",
    ),
    Kind(STATE_FILE, lambda at: read_history((at / STATE_FILE).parent), SchemaError, "another --name", True),
    Kind(MARKER_FILE, lambda at: store_of(at).load("golden@1"), BundleError, "ublish it again", True),
    Kind(ROLLOUT_FILE, lambda at: read_rollout(store_of(at), "golden"), RegistryError, "glioray rollout golden", True),
)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.file)


@pytest.fixture
def root(release: str, tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN / release, tmp_path / release)
    return tmp_path / release


@pytest.fixture
def expected(root: Path) -> dict[str, Any]:
    return json.loads((root / "expected.json").read_text())


@every_release
def test_its_shards_are_read_and_proved(root, expected) -> None:
    data = PreparedDataset.open(root / "data")

    data.verify(hashes=True)
    assert data.manifest.fingerprint == expected["fingerprint"]
    images = load_side(data.folder, data.manifest, "test")["image"]
    assert images.double().mean().item() == pytest.approx(expected["mean_pixel"], rel=1e-12)


@every_release
@pytest.mark.parametrize("published", [False, True])
def test_its_bundle_answers_as_it_did_also_from_the_registry(root, expected, published) -> None:
    bundle = store_of(root).load("golden")[1] if published else ModelBundle.load(root / "run/bundle")
    data = PreparedDataset.open(root / "data")

    probabilities = Predictor.load(bundle).predict(load_side(data.folder, data.manifest, "test")["image"])

    assert probabilities.double().mean().item() == pytest.approx(expected["mean_probability"], abs=1e-5)
    assert bundle.config.scores[0].model_dump() == expected["score"]


@every_release
def test_its_evaluation_and_its_rollout_say_what_they_said(root, expected) -> None:
    evaluation = Evaluation.load(root / "run/evaluation")

    assert evaluation.scores[0].model_dump() == expected["score"]
    assert read_rollout(store_of(root), "golden") == Rollout(version=1)


@every_release
def test_its_run_can_be_gone_on_with(root) -> None:
    recipe = Recipe.from_yaml(root / "run/recipe.yaml")
    data = PreparedDataset.open(root / "data")
    model = build_network(recipe, data.manifest.contents, data.signature)
    state = TrainState(model, build_optimizer(model, recipe.optimizer))

    state.load(checkpoints(root / "run")[-1])

    assert state.epoch == 2 == len(read_metrics(root / "run"))


@every_release
@every_kind
def test_it_names_its_version(root, kind) -> None:
    assert json.loads((root / kind.file).read_text())["schema_version"] >= 1
    assert kind.read(root)


@every_release
@every_kind
@pytest.mark.parametrize("step", [1, 0], ids=["next", "none"])
def test_of_another_version_it_is_refused_with_the_command_that_makes_it_anew(root, kind, step) -> None:
    content = json.loads((root / kind.file).read_text())
    version = content["schema_version"] + 1 if step else 0
    (root / kind.file).write_text(json.dumps(content | {"schema_version": version}))

    with pytest.raises(kind.error) as raised:
        kind.read(root)

    (line,) = str(raised.value).splitlines()
    assert f"of schema version {version}; this glioray reads version {content['schema_version']}" in line
    assert kind.remedy in line
    assert ("newer glioray" in line) == (step == 1)


@every_release
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.may_be_unnamed], ids=lambda kind: kind.file)
def test_written_before_it_named_a_version_it_is_read_as_the_first(root, kind) -> None:
    content = json.loads((root / kind.file).read_text())
    del content["schema_version"]
    (root / kind.file).write_text(json.dumps(content))

    assert kind.read(root)


def test_all_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 200_000
