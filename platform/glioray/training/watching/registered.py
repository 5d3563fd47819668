"""A published bundle in MLflow's model registry, beside ours, which serving reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glioray.registry.bundle import ModelBundle
from glioray.registry.card import headline
from glioray.registry.store import LATEST, Published
from glioray.training.watching.listener import first_line
from glioray.training.watching.tracking import Server, run_of


def register(server: Server, bundle: Path, published: Published) -> str:
    """The bundle as published becomes the next version of the same name there; gives what was done in words.

    A server that fails ends nothing: the bundle is published.
    """
    try:
        return _registered(server, bundle, published)
    except Exception as error:
        return f"not registered: {first_line(error)}"


def _registered(server: Server, bundle: Path, published: Published) -> str:
    """See `register`.

    MLflow keeps the alias `latest` for itself, and always has it stand for the newest version. It can hold the model
    and compare its versions; it cannot load it, as `mlflow.pyfunc` would: load what it holds with `ModelBundle.load`.
    """
    run_id = run_of(bundle.parent)
    if not run_id:
        return "not registered: the run was trained without MLFLOW_TRACKING_URI"
    client, config = server.client, ModelBundle.load(bundle).config
    place = f"published/{published.name}-{published.version}"
    client.log_artifacts(run_id, str(bundle), place)
    if not list(client.search_registered_models(filter_string=f"name = '{published.name}'")):
        client.create_registered_model(published.name)
    version = client.create_model_version(
        published.name,
        source=f"{client.get_run(run_id).info.artifact_uri}/{place}",
        run_id=run_id,
        description=headline(config),
        await_creation_for=0,
        tags={"glioray.version": str(published.version), "glioray.leak": config.leak or "none"},
    ).version
    moved = _named(published.aliases)
    for alias in moved:
        client.set_registered_model_alias(published.name, alias, version)
    return f"{published.name}, version {version}" + (f", alias {', '.join(moved)}" if moved else "")


def _named(aliases: Sequence[str]) -> list[str]:
    return [alias for alias in aliases if alias != LATEST]
