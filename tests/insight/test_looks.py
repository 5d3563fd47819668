"""What is seen in a classifier and in a segmentation model, beside what the command's tests ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from glioray.errors import DataError, ModelError
from glioray.insight import classifier, segmenter
from glioray.insight.inside import features_of, kernels_of
from glioray.insight.page import draw_page
from glioray.insight.reading import read_subjects
from glioray.insight.rows import subjects_of
from glioray.insight.subject import Subject
from glioray.registry.ensemble import Named, average
from glioray.serving.predictor import Predictor


@pytest.fixture
def asked(cnn, picture) -> tuple[Predictor, Subject]:
    predictor = Predictor.load(cnn)
    return predictor, read_subjects(predictor, [picture], ["glioma"])[0]


def test_a_network_without_feature_maps_is_named(asked):
    predictor, subject = asked
    flat = nn.Sequential(nn.Flatten(), nn.Linear(80 * 80, 4))
    blind = replace(predictor, network=flat)

    with pytest.raises(ModelError, match="custom_cnn: the network has no feature map, which Grad-CAM is made of"):
        classifier.look(blind, subject, "01")
    with pytest.raises(ModelError, match="custom_cnn: none of its blocks gives a feature map to show"):
        features_of(blind, subject.slices[0], "01")
    with pytest.raises(ModelError, match="no convolution"):
        kernels_of(blind)


def test_an_average_is_looked_into_by_its_first_member(cnn, picture, bundle_of, slices):
    other = bundle_of(slices, {"name": "vit", "dim": 16, "depth": 1, "heads": 2, "mlp": 16})
    predictor = Predictor.load(average([Named("a", cnn), Named("b", other)], None, None))
    (subject,) = read_subjects(predictor, [picture], [])

    section = classifier.look(predictor, subject, "01")

    assert [picture.name for picture in section.pictures] == ["01-answer.png", "01-gradcam.png", "01-features.png"]
    assert kernels_of(predictor).facts["kernels"]["shape"] == [96, 1, 9, 9]
    assert "those of the first" in draw_page(predictor.config, [section])


def test_dice_of_a_case_is_that_of_all_its_slices(unet, case):
    """By hand: two slices of which one is found whole and the other not at all."""
    predictor = Predictor.load(unet)
    (subject,) = read_subjects(predictor, [case], [])
    truth = np.zeros((2, 10, 10), dtype=np.uint8)
    truth[0, :3] = 2
    truth[1, :1] = 2
    predicted = truth.copy()
    predicted[1] = 0

    dice = segmenter.dice_of(predictor, replace(subject, mask=truth), predicted)

    assert dice["edema"] == pytest.approx(2 * 30 / (30 + 40))
    assert np.isnan(dice["necrotic"])
    assert dice["WT"] == dice["edema"]


def test_the_slice_to_look_at_is_the_one_with_most_of_the_truth():
    grey = np.zeros((3, 4, 4), dtype=np.uint8)
    mask, predicted = grey.copy(), grey.copy()
    mask[0, 0, 0] = mask[1] = 1
    predicted[2] = 1

    def widest(truth: np.ndarray | None, answer: np.ndarray) -> int:
        return Subject("", [None] * 3, grey, truth).widest(answer)

    assert widest(mask, predicted) == 1
    assert widest(None, predicted) == 2
    assert widest(grey, grey) == 1  # the middle


def test_a_gate_is_enlarged_as_the_network_does_it(unet, case):
    predictor = Predictor.load(unet)
    (subject,) = read_subjects(predictor, [case], [])

    gate = predictor.network.join[0].gate
    nn.init.normal_(gate.weigh.weight, std=3)  # one that says something of places
    marks = []
    gate.register_forward_hook(lambda _module, _inputs, output: marks.append(output))

    (lowest, *_) = segmenter.gates_of(predictor, subject, 3).values()

    shown = segmenter._over(lowest, 16)
    assert shown.std() > 0.1
    np.testing.assert_allclose(shown, marks[0][0, 0].numpy(), atol=1e-6)


def test_rows_are_spread_over_a_side_and_know_their_truth(cnn, slices):
    found = subjects_of(cnn.config, slices.folder, "train", 3)

    names = [subject.name for subject in found]
    assert len(set(names)) == 3
    assert all(subject.label == subject.name.split("/")[1] for subject in found)
    assert len(subjects_of(cnn.config, slices.folder, "train", 99)) == slices.manifest.sides["train"].rows


def test_a_case_of_the_data_has_all_its_slices_in_their_order(unet, volumes):
    (subject,) = subjects_of(unet.config, volumes.folder, "val", 5)

    assert len(subject.slices) == len(subject.mask) == 8
    assert subject.about == "val, split by group (seed 0); which chose the epoch"


def test_data_of_another_kind_are_refused(cnn, volumes):
    with pytest.raises(ModelError, match="task of the data is 'segmentation'"):
        subjects_of(cnn.config, volumes.folder, "val", 1)


def test_a_folder_that_is_not_prepared_is_refused(cnn, tmp_path):
    with pytest.raises(DataError, match="manifest.json"):
        subjects_of(cnn.config, tmp_path, "val", 1)
