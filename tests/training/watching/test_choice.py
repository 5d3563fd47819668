from __future__ import annotations

import pytest

from glioray.errors import ClusterError
from glioray.training.plan import Plan
from glioray.training.watching import tracking
from glioray.training.watching.choice import chosen_listeners
from glioray.training.watching.page import Invocation
from glioray.training.watching.tracking import Server


def test_mlflow_is_told_last_and_only_where_the_environment_names_it(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Invocation("glioray train", "runs/run")
    places: list[tuple[str, str | None]] = []
    monkeypatch.setattr(tracking, "connect", lambda *place: places.append(place) or Server(None, None))
    without = chosen_listeners(plan, asked, {}, print)
    within = chosen_listeners(plan, asked, {"MLFLOW_TRACKING_URI": "http://a", "MLFLOW_EXPERIMENT_NAME": "e"}, print)
    assert [listener.name for listener in without] == ["waiting", "run.html", "TensorBoard"]
    assert within[-1].name == "MLflow"
    assert places == [("http://a", "e")]


def test_an_mlflow_that_cannot_be_had_is_refused_before_anything_is_written(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ClusterError("no MLflow answers")

    monkeypatch.setattr(tracking, "connect", refuse)
    with pytest.raises(ClusterError):
        chosen_listeners(plan, Invocation("glioray train", "run"), {"MLFLOW_TRACKING_URI": "http://a"}, print)
    assert not (plan.folder / "run.html").exists()
