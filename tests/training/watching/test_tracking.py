from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glioray.errors import ClusterError
from glioray.registry.store import Published
from glioray.training.checkpoints import checkpoints
from glioray.training.loop import fit
from glioray.training.plan import Plan
from glioray.training.record import History, write_bundle, write_metrics
from glioray.training.watching import tracking
from glioray.training.watching.registered import register
from glioray.training.watching.tracking import MlflowRun, Server, connect, deliver, run_of
from glioray.training.worker import LocalWorker


@dataclass
class Client:
    """Keeps what MLflow's client is given, of one run."""

    is_there: bool = True
    points: list[tuple[str, int]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    runs: int = 0
    versions: list[dict[str, Any]] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return name

    def create_run(self, experiment_id: str, run_name: str, tags: dict[str, str]) -> Any:
        self.runs += 1
        self.tags = tags
        return SimpleNamespace(info=SimpleNamespace(run_id=f"{run_name}-{self.runs}"))

    def update_run(self, run_id: str, status: str) -> None:
        if run_id != f"run-{self.runs}":
            raise KeyError(run_id)

    def get_metric_history(self, run_id: str, key: str) -> list[Any]:
        return [SimpleNamespace(step=step) for name, step in self.points if name == key]

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        if not self.is_there:
            raise ConnectionError("refused")
        self.points += [(each.key, each.step) for each in metrics]
        self.params |= {each.key: each.value for each in params}

    def log_artifact(self, run_id: str, path: str) -> None:
        self.artifacts.append(Path(path).name)

    def log_artifacts(self, run_id: str, folder: str, place: str) -> None:
        self.artifacts.append(place)

    def set_terminated(self, run_id: str, status: str) -> None:
        self.status.append(status)

    def get_run(self, run_id: str) -> Any:
        status = self.status[-1] if self.status else "RUNNING"
        return SimpleNamespace(info=SimpleNamespace(artifact_uri=f"mlflow-artifacts:/1/{run_id}", status=status))

    def search_registered_models(self, filter_string: str) -> list[str]:
        return [each["name"] for each in self.versions]

    def create_registered_model(self, name: str) -> None:
        assert not self.versions

    def create_model_version(self, name: str, **values: Any) -> Any:
        self.versions.append({"name": name, **values})
        return SimpleNamespace(version=len(self.versions))

    def set_registered_model_alias(self, name: str, alias: str, version: int) -> None:
        self.aliases[alias] = version


ENTITIES = SimpleNamespace(
    Metric=lambda key, value, timestamp, step: SimpleNamespace(key=key, value=value, step=step),
    Param=lambda key, value: SimpleNamespace(key=key, value=value),
)


def rows(count: int) -> History:
    return [
        {"epoch": e, "loss": 1.0, "val/recall/a+b": 0.5, "epoch_s": 1.0, "rows": 8, "train_s": 2.0, "best_epoch": 1}
        for e in range(1, count + 1)
    ]


def losses(client: Client) -> list[int]:
    return [step for name, step in client.points if name == "loss"]


def test_a_run_has_its_settings_its_data_and_every_epoch(plan: Plan) -> None:
    client = Client()
    listener = MlflowRun(plan, Server(client, ENTITIES))
    listener.begin([])
    listener.epoch(rows(1))
    listener.epoch(rows(2))
    assert losses(client) == [1, 2]
    assert ("val/recall/a_b", 1) in client.points
    assert client.params["model.base_filters"] == "2"
    assert client.tags["glioray.data"] == f"phantom {plan.data.manifest.fingerprint}"
    assert client.tags["glioray.leak"] == "none"
    assert client.tags["glioray.synthetic"] == "true"


def test_a_run_that_goes_on_is_the_same_run_and_doubles_no_point(plan: Plan) -> None:
    client = Client()
    MlflowRun(plan, Server(client, ENTITIES)).begin(rows(1))
    again = MlflowRun(plan, Server(client, ENTITIES))
    again.begin(rows(2))
    again.epoch(rows(2))
    again.epoch(rows(3))
    assert client.runs == 1
    assert losses(client) == [1, 2, 3]


def test_a_server_that_does_not_know_the_run_gets_all_of_it(plan: Plan) -> None:
    MlflowRun(plan, Server(Client(), ENTITIES)).begin([])
    other = Client(runs=7)
    MlflowRun(plan, Server(other, ENTITIES)).begin(rows(2))
    assert losses(other) == [1, 2]
    assert run_of(plan.folder) == "run-8"


def test_what_a_lost_server_missed_is_sent_at_the_end(plan: Plan) -> None:
    client = Client()
    listener = MlflowRun(plan, Server(client, ENTITIES))
    listener.begin(rows(1))
    client.is_there = False
    with pytest.raises(ConnectionError):
        listener.epoch(rows(2))
    client.is_there = True
    listener.end(rows(3), plan.folder / "bundle")
    assert losses(client) == [1, 2, 3]
    assert client.status == ["FINISHED"]
    assert "bundle" in client.artifacts


def test_a_complete_run_is_sent_where_the_server_lacks_it_and_only_there(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    monkeypatch.setattr(tracking, "connect", lambda uri, experiment: Server(client, ENTITIES))
    write_metrics(plan.folder, rows(3))
    assert deliver(plan, {}) == {}
    assert deliver(plan, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}) == {"mlflow": "was sent it now"}
    assert deliver(plan, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}) == {"mlflow": "has it"}
    assert losses(client) == [1, 2, 3]
    assert client.artifacts.count("bundle") == 1


def test_a_training_that_was_ended_early_has_no_bundle_there(plan: Plan) -> None:
    client = Client()
    listener = MlflowRun(plan, Server(client, ENTITIES))
    listener.begin([])
    listener.end(rows(1), None)
    assert client.status == ["KILLED"]
    assert client.artifacts == ["recipe.yaml"]


def test_a_published_bundle_is_registered_with_its_aliases(plan: Plan) -> None:
    client = Client()
    server = Server(client, ENTITIES)
    fit(plan.recipe.with_values("budget.epochs", 1), plan.data, LocalWorker(plan.data, plan.folder, 0))
    bundle = write_bundle(plan.folder, plan.recipe, plan.data, checkpoints(plan.folder)[-1], 1)
    published = Published("tumors", 3, ("best", "latest"))
    assert "without MLFLOW_TRACKING_URI" in register(server, bundle, published)
    MlflowRun(plan, server).begin([])
    assert register(server, bundle, published) == "tumors, version 1, alias best"
    (version,) = client.versions
    assert version["source"] == "mlflow-artifacts:/1/run-1/published/tumors-3"
    assert version["source"].endswith(client.artifacts[-1])
    assert version["tags"]["glioray.version"] == "3"
    assert client.aliases == {"best": 1}  # MLflow keeps `latest` to itself


def test_a_server_that_is_lost_does_not_undo_what_is_published(plan: Plan, monkeypatch) -> None:
    client = Client()
    MlflowRun(plan, Server(client, ENTITIES)).begin([])
    monkeypatch.setattr("glioray.registry.bundle.ModelBundle.load", lambda _: (_ for _ in ()).throw(OSError("refused")))
    found = register(Server(client, ENTITIES), plan.folder / "bundle", Published("tumors", 1, ()))
    assert found == "not registered: refused"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Bound and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_server_that_does_not_answer_is_refused_without_showing_its_password(
    silent_port: int,
) -> None:
    with pytest.raises(ClusterError, match="no MLflow answers at 'http://\\*\\*\\*@127.0.0.1") as refusal:
        connect(f"http://ann:secret@127.0.0.1:{silent_port}")
    assert "secret" not in str(refusal.value)
    assert "unset MLFLOW_TRACKING_URI" in str(refusal.value)


def test_a_server_that_is_something_else_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("404 from http://ann:secret@127.0.0.1/api\nand more")

    client = SimpleNamespace(search_experiments=fail)
    module = SimpleNamespace(MlflowClient=lambda **_: client)
    monkeypatch.setattr(tracking, "_knock", lambda uri: None)
    monkeypatch.setattr(tracking.importlib, "import_module", lambda name: module)
    with pytest.raises(ClusterError, match=r"\(404 from http://\*\*\*@127.0.0.1/api\); start one") as refusal:
        connect("http://ann:secret@127.0.0.1")
    assert "secret" not in str(refusal.value)


def test_without_the_package_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(tracking, "_knock", lambda uri: None)
    monkeypatch.setattr(tracking.importlib, "import_module", fail)
    with pytest.raises(ClusterError, match=r"pip install 'glioray\[mlflow\]'"):
        connect("http://127.0.0.1:5000")
