"""What Tune's calls come to in the study; no Ray is started."""

from __future__ import annotations

from collections.abc import Callable

from glioray.tuning.plan import SweepPlan
from glioray.tuning.run import _Bridge
from glioray.tuning.space import SearchSpace
from glioray.tuning.study import Study


def test_after_an_interrupted_trial_none_begins_and_the_next_start_goes_on_with_it(
    plan: SweepPlan, study_of: Callable[[SearchSpace], Study]
) -> None:
    study = study_of(plan.space)
    bridge = _Bridge(plan, study, lambda _: None)
    begun = bridge.begin("a")
    assert begun is not None
    checkpoint = plan.trial_folder(begun["number"]) / "checkpoint_00001"
    checkpoint.mkdir(parents=True)

    bridge.end("a", {"outcome": "interrupted", "reason": "no room"}, is_error=False)

    assert bridge.obstacle == "no room"
    assert bridge.begin("b") is None
    assert checkpoint.exists()
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    again = _Bridge(plan, study_of(plan.space), lambda _: None).begin("a")
    assert again == begun
