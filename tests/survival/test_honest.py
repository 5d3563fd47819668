"""Who may answer for whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from glioray.data.records import Contents
from glioray.errors import ModelError
from glioray.survival.honest import HonestModels

CONTENTS = Contents(task="segmentation", channels=("flair",), labels={"edema": 2}, citation="toy")


@dataclass
class Model:
    """As much of a predictor, or of a bundle, as is asked about."""

    learned_from: tuple[str, ...]
    contents: Contents = CONTENTS
    config: Model = field(init=False)

    def __post_init__(self) -> None:
        self.config = self


def test_the_first_that_learned_from_no_scan_of_the_patient_answers() -> None:
    models = [("one", Model(("a", "b"))), ("two", Model(("b",))), ("three", Model(("z",)))]
    assert HonestModels(tuple(models)).unseen({"a"}) is models[1][1]
    assert HonestModels(tuple(models)).unseen({"a", "b"}) is models[2][1]
    assert HonestModels(tuple(models[:2])).unseen({"b"}) is None


def test_a_bundle_that_does_not_say_what_it_learned_from_is_refused() -> None:
    with pytest.raises(ModelError, match="old: does not say which scans it learned from"):
        HonestModels.load([("old", SimpleNamespace(config=Model(())))], CONTENTS, "cpu")


@pytest.mark.parametrize(
    ("what", "value"), [("channels", ("t1",)), ("labels", {"edema": 1}), ("task", "classification")]
)
def test_a_bundle_of_other_masks_is_refused_with_both(what: str, value: object) -> None:
    other = Model(("a",), CONTENTS.model_copy(update={what: value}))
    with pytest.raises(ModelError, match=rf"lgg: its {what} is .*, that of the scans is "):
        HonestModels.load([("lgg", SimpleNamespace(config=other))], CONTENTS, "cpu")
