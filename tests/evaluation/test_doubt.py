from __future__ import annotations

import pytest
import torch

from glioray.evaluation import doubt
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.doubt import best_temperature, with_doubt
from glioray.evaluation.together import evaluate_runs
from glioray.registry.bundle import ModelBundle
from glioray.registry.locate import locate
from glioray.registry.store import Store
from glioray.serving.domain import Domain, look
from glioray.serving.predictor import tempered


def overconfident(sharpness: float, count: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Truths drawn from honest probabilities (N,3), and those probabilities made too sure."""
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(count, 3, generator=generator).softmax(1)
    truth = torch.multinomial(honest, 1, generator=generator)[:, 0]
    return truth, (honest.log() * sharpness).softmax(1)


@pytest.mark.parametrize("sharpness", [3.0, 1.0, 0.5])
def test_the_temperature_undoes_what_made_the_answers_too_sure(sharpness):
    truth, probabilities = overconfident(sharpness)

    assert best_temperature(truth, probabilities) == pytest.approx(sharpness, rel=0.05)


def test_a_temperature_keeps_the_order_and_the_sum():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])

    found = tempered(probabilities, 2.0)

    torch.testing.assert_close(found.sum(1), torch.ones(2))
    assert torch.equal(found.argsort(1), probabilities.argsort(1))
    assert float(found[0, 0]) < 0.7
    assert tempered(probabilities, 1.0) is probabilities


def test_a_classifier_gets_a_temperature_that_lowers_its_error_on_val(make_classification, make_bundle, answer_with):
    dataset = make_classification([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    # Sure of class 0 whatever the image: right in four of ten.
    answer_with(lambda images: torch.tensor([[0.98, 0.01, 0.01]]).repeat(len(images), 1))

    found = with_doubt(make_bundle(dataset), dataset)

    calibration = found.config.calibration
    assert calibration is not None
    assert calibration.temperature > 2
    assert calibration.ece_before == pytest.approx(0.58)
    assert calibration.ece_after < 0.1
    assert (calibration.units, calibration.unit) == (5, "groups")


def test_other_data_than_those_of_its_training_say_nothing(make_classification, make_bundle):
    bundle = make_bundle(make_classification([0, 1, 2]))

    assert with_doubt(bundle, make_classification([0, 1], name="other")) is bundle


def test_a_segmenter_has_no_temperature(make_segmentation, make_bundle):
    dataset = make_segmentation({"A": [torch.ones(16, 16, dtype=torch.uint8).numpy()]})

    assert with_doubt(make_bundle(dataset), dataset).config.calibration is None


@pytest.fixture
def some_domain(monkeypatch) -> Domain:
    """As if the toy data were many: every image of the side is known but those of one grey."""
    looks = look(torch.randint(0, 256, (100, 1, 16, 16), dtype=torch.uint8))
    found = Domain.fit(looks, torch.arange(100), looks)
    assert found is not None
    monkeypatch.setattr(doubt, "_domain", lambda dataset: found)
    return found


def test_an_evaluation_leaves_its_doubt_in_the_run_and_tells_what_it_would_flag(
    make_classification, make_bundle, tmp_path, some_domain
):
    dataset = make_classification([0, 1, 2, 0], size_px=80)
    make_bundle(dataset).save(tmp_path / "run" / "bundle")
    run = locate(str(tmp_path / "run"), "none")

    together = evaluate_runs([Entry("run", run)], dataset.folder, None, "test", lambda *_: None)

    kept = ModelBundle.load(tmp_path / "run" / "bundle")
    assert kept.config.calibration is not None
    assert Domain.of_tensors(kept.domain, kept.config.signature.in_channels) is not None
    assert together.evaluations[0].score("flagged").value == 1  # toy images are of one grey
    assert "flagged" in {score.name for score in kept.config.scores}
    assert "4 of 4 images would be flagged" in together.page.read_text()


def test_a_published_model_keeps_the_doubt_that_it_was_published_with(
    make_classification, make_bundle, tmp_path, some_domain
):
    dataset = make_classification([0, 1, 2, 0], size_px=80)
    registry = str(tmp_path / "registry")
    make_bundle(dataset).save(tmp_path / "bundle")
    Store(registry).publish(tmp_path / "bundle", "kinds")

    evaluate_runs(
        [Entry("kinds", locate("kinds", registry))], dataset.folder, tmp_path / "out", "test", lambda *_: None
    )

    assert locate("kinds", registry).bundle.config.calibration is None


def test_the_domain_is_published_with_the_model(make_classification, make_bundle, tmp_path, some_domain):
    dataset = make_classification([0, 1, 2, 0], size_px=80)
    registry = str(tmp_path / "registry")
    with_doubt(make_bundle(dataset), dataset).save(tmp_path / "bundle")

    Store(registry).publish(tmp_path / "bundle", "kinds")

    bundle = locate("kinds", registry).bundle
    assert torch.equal(bundle.domain["center"], some_domain.center)
    assert bundle.config.temperature != 1
