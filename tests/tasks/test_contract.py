from __future__ import annotations

import pytest
import torch

from glioray.data.records import Contents
from glioray.tasks import _contract as tasks
from glioray.tasks._losses import MaskLoss
from glioray.tasks.classification import Classification
from glioray.tasks.segmentation import Loss, Segmentation


def test_the_contents_of_the_data_say_which_task_it_is():
    of_classes = Contents(task="classification", channels=("t1",), classes=("a", "b"), citation="toy")
    of_labels = Contents(task="segmentation", channels=("t1",), labels={"a": 1}, citation="toy")

    built = [tasks.build(contents, tasks.loss_config(contents.task)(), 2) for contents in (of_classes, of_labels)]

    assert built == [Classification(("a", "b")), Segmentation({"a": 1}, {}, 2)]


def test_the_loss_settings_reach_the_task():
    contents = Contents(task="segmentation", channels=("t1",), labels={"a": 1}, citation="toy")

    settings = Loss(bce_weight=0.25, dice_weight=3, tversky_alpha=0.4, class_weights=(2,))
    task = tasks.build(contents, settings, 1)

    assert task.criterion == MaskLoss(0.25, 3, tversky_alpha=0.4, class_weights=(2,))


def test_the_loss_settings_of_classes_reach_the_task():
    contents = Contents(task="classification", channels=("t1",), classes=("a", "b"), citation="toy")
    settings = tasks.loss_config("classification")(label_smoothing=0.1, focal_gamma=2, class_weights=(1, 3))

    assert tasks.build(contents, settings, 1) == Classification(("a", "b"), 0.1, (1, 3), 2)


def test_counts_add_by_name():
    some = {"n": torch.tensor(2.0)}

    assert tasks.add(some, {"n": torch.tensor(3.0)}) == {"n": torch.tensor(5.0)}


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_every_metric_is_not_a_number_where_nothing_was_counted(task):
    contents = Contents(task=task, channels=("t1",), classes=("a", "b"), labels={"a": 1}, citation="toy")
    built = tasks.build(contents, tasks.loss_config(task)(), 1)
    empty = {
        "classification": {"confusion": torch.zeros(2, 2), "bins": torch.zeros(15, 2)},
        "segmentation": {"pixels": torch.zeros(1, 1, 3)},
    }

    metrics = built.metrics(empty[task])

    assert built.score in metrics
    assert all(value != value for value in metrics.values())
