from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from glioray.data.progress import silent
from glioray.evaluation.answers import Answers, answer, how, joined
from glioray.evaluation.side import SideRows
from glioray.registry.bundle import Calibration, Member
from glioray.serving.predictor import Predictor

CALIBRATION = Calibration(temperature=2.0, ece_before=0.2, ece_after=0.1, units=9, unit="groups")


@pytest.fixture
def bundle(make_classification, make_bundle):
    """Flips its images, and has a temperature."""
    found = make_bundle(make_classification([0, 1, 2], size_px=80), answer__flips="horizontal")
    return replace(found, config=found.config.model_copy(update={"calibration": CALIBRATION}))


def test_an_answer_has_the_probabilities_of_the_service_and_the_logits_behind_them(bundle):
    predictor = Predictor.load(bundle)
    images = torch.randint(0, 256, (3, 1, 80, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    probabilities, logits = predictor.classified(images)

    pixels = predictor.normalized(images)
    with torch.inference_mode():
        expected = [predictor.network(copy) for copy in (pixels, pixels.flip(-1))]
    assert not torch.allclose(*expected)
    torch.testing.assert_close(probabilities, predictor.predict(images))
    torch.testing.assert_close(logits, sum(expected) / 2)


def test_every_row_of_a_side_is_answered_in_its_order(bundle, make_classification):
    rows = SideRows.read(make_classification([2, 0, 1], name="other", size_px=80), "test")
    predictor = Predictor.load(bundle)

    found = answer(predictor, rows, 2, silent)

    images = torch.cat([batch["image"] for batch in rows.batches(3)])
    assert found.truth.tolist() == [2, 0, 1]
    torch.testing.assert_close(found.probabilities, predictor.predict(images))
    assert found.how == how(bundle.config)


def test_temperature_and_copies_are_told(bundle):
    text = how(bundle.config)

    assert "a temperature of 2.00, chosen on val" in text
    assert "averaged over the image and its copy mirrored left-right" in text
    assert "their mean over the same copies" in text


def test_of_a_plain_model_it_is_said_that_nothing_was_done(make_classification, make_bundle):
    text = how(make_bundle(make_classification([0, 1, 2])).config)

    assert text == "Probability: softmax; no temperature. Logits: before the temperature."


def test_of_an_average_it_is_said_what_its_logits_are(bundle):
    config = bundle.config
    member = Member(**{name: getattr(config, name) for name in Member.model_fields})

    assert "logarithms of the mean probability" in how(config.model_copy(update={"members": (member, member)}))


def test_sides_are_joined_in_their_order_and_what_was_done_is_said_once():
    part = Answers(torch.tensor([1]), torch.tensor([[0.1, 0.9]]), torch.tensor([[0.0, 2.0]]), "softmax")
    other = replace(part, truth=torch.tensor([0]), how="T = 2")

    both = joined([part, other, part])

    assert (both.truth.tolist(), both.logits.shape, both.how) == ([1, 0, 1], (3, 2), "softmax T = 2")
