"""The whole way in one go, as small as it gets: only a real Ray, a real Serve and real HTTP can show that it holds."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from glioray.data.phantom import PhantomSettings
from glioray.demo import run as demo

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.usefixtures("shared_ray")]
ROOT = Path(__file__).parent.parent.parent


def test_the_demo_ends_with_a_page_and_answers_equal_to_the_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = PhantomSettings(num_patients=32, image_size=96, num_slices=8, slices_per_patient=2)
    short = {"schedule.warmup_epochs": 0, "budget.epochs": 1, "budget.batch_size": 8}
    tasks = tuple(replace(task, settings={**task.settings, **short}) for task in demo.TASKS)
    monkeypatch.setattr(demo, "PHANTOM", small)
    monkeypatch.setattr(demo, "TASKS", tasks)
    monkeypatch.chdir(ROOT)
    facts = demo.run_demo(Path(os.path.relpath(tmp_path)), lambda stage, done, total: None, lambda line: None)
    page = Path(facts["page"]).read_text()
    assert "SYNTHETIC" in page
    assert "not a medical device" in page.lower()
    assert page.count("data:image/png") >= 4 * 2 + 1 + 2
    assert "answers, all equal" in facts["segmentation, served"]
