"""MLflow, where a tracking server is named: the run's settings, metrics and tags, and its bundle as an artifact."""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import glioray
from glioray.errors import ClusterError
from glioray.plain_values import flat
from glioray.registry.card import NOT_A_DEVICE
from glioray.registry.run_folder import BUNDLE
from glioray.remote import without_password
from glioray.training.plan import Plan
from glioray.training.record import CURVES, METRICS, RECIPE, History, read_metrics, write_at_once
from glioray.training.watching.listener import Listener, first_line
from glioray.training.watching.origin import git_state
from glioray.training.watching.page import FILE_NAME
from glioray.training.watching.scalars import scalars

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
RUN_FILE, BUNDLE_AS, DEFAULT_EXPERIMENT = "mlflow.json", "bundle", "glioray"
ANSWER_TIMEOUT_S = 5
MOST_METRICS, MOST_SETTINGS = 1000, 100  # that MLflow takes at once
# Its own defaults wait for minutes, and tell its makers of every run.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would stand amid the output of --json
}


@dataclass(frozen=True)
class Server:
    """An MLflow that answered: its client, and the module of the values that the client takes."""

    client: Any
    entities: Any
    experiment: str = DEFAULT_EXPERIMENT


def connect(uri: str, experiment: str | None = None) -> Server:
    """Asks the server that MLFLOW_TRACKING_URI names something, once, before hours are spent.

    Raises:
        ClusterError: the package is missing, or the server does not answer.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        _knock(uri)  # before the import, which takes seconds
    except OSError as error:
        raise ClusterError(_refusal(uri, error)) from None
    try:
        mlflow, entities = importlib.import_module("mlflow"), importlib.import_module("mlflow.entities")
    except ImportError as error:
        raise ClusterError(
            f"{URI} is set, but MLflow cannot be imported ({error}): pip install 'glioray[mlflow]', or unset {URI}"
        ) from None
    try:
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:
        raise ClusterError(_refusal(uri, error)) from None
    return Server(client, entities, experiment or DEFAULT_EXPERIMENT)


def asked_for(environment: Mapping[str, str]) -> Server | None:
    """The server that the environment names, if it names one.

    Raises:
        ClusterError: see `connect`.
    """
    uri = environment.get(URI)
    return connect(uri, environment.get(EXPERIMENT)) if uri else None


def deliver(plan: Plan, environment: Mapping[str, str]) -> dict[str, str]:
    """Sends what a complete run's MLflow lacks: it was trained without, or the server was away; gives what was done.

    Raises:
        ClusterError: MLflow was asked for and cannot be had.
    """
    server = asked_for(environment)
    if server is None:
        return {}
    if _is_finished(server, run_of(plan.folder)):
        return {"mlflow": "has it"}
    listener, history = MlflowRun(plan, server), read_metrics(plan.folder)
    listener.begin(history)
    listener.end(history, plan.folder / BUNDLE)
    return {"mlflow": "was sent it now"}


class MlflowRun(Listener):
    """One run of MLflow for one run folder, however often it is gone on with; `mlflow.json` there names it."""

    name = "MLflow"

    def __init__(self, plan: Plan, server: Server) -> None:
        self._plan, self._server, self._client = plan, server, server.client
        self._run_id = ""
        self._sent: set[int] = set()

    def begin(self, history: History) -> None:
        """Finds the run, or makes it with its settings and tags; sends the epochs that it lacks."""
        self._run_id = self._found() or self._made()
        self._sent = {point.step for point in self._client.get_metric_history(self._run_id, "epoch_s")}
        self._send(history)

    def epoch(self, history: History) -> None:
        """Sends what is missing: an epoch that comes again is not sent twice."""
        self._send(history)

    def end(self, history: History, bundle: Path | None) -> None:
        """What is missing, the run's own files, and the bundle."""
        if not self._run_id:
            self.begin(history)
        self._send(history)
        for name in (RECIPE, METRICS, CURVES, FILE_NAME):
            if (self._plan.folder / name).exists():
                self._client.log_artifact(self._run_id, str(self._plan.folder / name))
        if bundle is not None:
            self._client.log_artifacts(self._run_id, str(bundle), BUNDLE_AS)
        self._client.set_terminated(self._run_id, status="KILLED" if bundle is None else "FINISHED")

    def _found(self) -> str:
        """The run that an earlier start of the command made, where the server still has it."""
        run_id = run_of(self._plan.folder)
        if not run_id:
            return ""
        try:
            self._client.update_run(run_id, status="RUNNING")
        except Exception:  # another server, or deleted there: `_made` fails where none answers at all
            return ""
        return run_id

    def _made(self) -> str:
        plan, client = self._plan, self._client
        experiment = client.get_experiment_by_name(self._server.experiment)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(self._server.experiment)
        run_id: str = client.create_run(experiment_id, run_name=plan.folder.name, tags=_tags(plan)).info.run_id
        settings = flat(plan.recipe.values())
        params = [self._server.entities.Param(_key(name), str(value)[:6000]) for name, value in settings.items()]
        for some in _portions(params, MOST_SETTINGS):
            client.log_batch(run_id, params=some)
        write_at_once(plan.folder / RUN_FILE, f"{json.dumps({'run_id': run_id})}\n".encode())
        return run_id

    def _send(self, history: History) -> None:
        rows = [row for row in history if int(row["epoch"]) not in self._sent]
        now_ms = int(time.time() * 1000)
        points = [
            self._server.entities.Metric(_key(name), value, now_ms, int(row["epoch"]))
            for row in rows
            for name, value in scalars(row).items()
        ]
        for some in _portions(points, MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=some)
        self._sent |= {int(row["epoch"]) for row in rows}


def _is_finished(server: Server, run_id: str) -> bool:
    """Whether the server has all of it: that is the last thing it is told."""
    try:
        return bool(run_id) and server.client.get_run(run_id).info.status == "FINISHED"
    except Exception:  # it does not know the run
        return False


def run_of(folder: Path) -> str:
    """MLflow's id of a run folder; empty where it was trained without MLflow."""
    try:
        return str(json.loads((folder / RUN_FILE).read_text())["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _tags(plan: Plan) -> dict[str, str]:
    manifest = plan.data.manifest
    leak = str(manifest.leak) if manifest.leak else "none"
    commit, is_changed = git_state(Path(glioray.__file__).parent)
    sides = ", ".join(f"{side} {plan.data.describe(side)}" for side in manifest.sides)
    return {
        "mlflow.note.content": NOT_A_DEVICE + (f" {leak}." if manifest.leak else ""),
        "glioray.version": glioray.__version__,
        "glioray.task": plan.recipe.task,
        "glioray.model": plan.recipe.model.name,
        "glioray.recipe": plan.recipe.fingerprint,
        "glioray.data": f"{manifest.settings.source} {manifest.fingerprint}",
        "glioray.split": f"{sides}, seed {plan.data.split.seed}",
        "glioray.leak": leak,
        "glioray.synthetic": str(manifest.contents.synthetic).lower(),
        **({"mlflow.source.git.commit": commit, "glioray.changed": str(is_changed).lower()} if commit else {}),
    }


def _portions(values: Sequence[Any], most: int) -> list[Sequence[Any]]:
    return [values[start : start + most] for start in range(0, len(values), most)]


def _key(name: str) -> str:
    """A class may be called anything, MLflow's names may not."""
    return re.sub(r"[^A-Za-z0-9_\-./: ]", "_", name)


def _knock(uri: str) -> None:
    """MLflow's own client waits and tries again for long where nobody listens."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), ANSWER_TIMEOUT_S).close()


def _refusal(uri: str, error: Exception) -> str:
    return (
        f"{URI}: no MLflow answers at {without_password(uri)!r} ({first_line(error)}); start one with `mlflow server`, "
        f"or unset {URI}"
    )
