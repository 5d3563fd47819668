"""A model of this process: its limits, its health, and what it counts."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glioray.registry.store import Published, Store
from glioray.serving import hosted
from glioray.serving.answering import Wish
from glioray.serving.hosted import HostedModel
from glioray.serving.metrics import Measured
from glioray.serving.predictor import Predictor
from glioray.serving.problems import ProblemError
from glioray.serving.settings import ServeArgs
from glioray.serving.upload import Upload


class Measures:
    def __init__(self):
        self.all = []

    def add(self, measured):
        self.all.append(measured)


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def hosted_model(bundle, executor, **settings):
    args = ServeArgs(**settings)
    return HostedModel(Published("kinds", 3, ("latest",)), bundle, args, executor, Measures())


@pytest.fixture
def upload(slice_of, file_of):
    return Upload(file_of(slice_of(1)), "scan.png")


def test_it_answers_as_its_predictor_and_counts_its_passes(classifier_bundle, classifier, executor, upload, slice_of):
    model = hosted_model(classifier_bundle, executor)

    reply = asyncio.run(model.answer(upload, Wish()))

    assert reply.answer.probabilities == pytest.approx(classifier.classify(slice_of(1)).probabilities, abs=1e-6)
    assert model.measures.all == [Measured("glioray_batch_images", 1, {"model": "kinds@3"})]
    assert "Research use only" in model.card


def test_a_full_queue_is_a_503_that_says_when_to_come_back(classifier_bundle, executor, upload):
    async def go():
        gate = threading.Event()
        model = hosted_model(classifier_bundle, executor, max_queued_requests=1, retry_after_s=7)
        executor.submit(gate.wait, 5)
        asked = [asyncio.create_task(model.answer(upload, Wish())) for _ in range(2)]
        await asyncio.sleep(0.01)  # one of them is in the pass that waits for the thread
        asked.append(asyncio.create_task(model.answer(upload, Wish())))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as caught:
            await asyncio.gather(*asked)
        gate.set()
        return caught.value.problem

    problem = asyncio.run(go())

    assert (problem.status, problem.title, problem.retry_after_s) == (503, "The model is busy", 7)


def test_no_answer_in_time_is_a_503(classifier_bundle, executor, upload):
    gate = threading.Event()
    model = hosted_model(classifier_bundle, executor, request_timeout_s=0.05)
    executor.submit(gate.wait, 5)

    with pytest.raises(ProblemError) as caught:
        asyncio.run(model.answer(upload, Wish()))
    gate.set()

    assert (caught.value.problem.status, caught.value.problem.title) == (503, "The model does not answer")


def test_it_is_ready_as_long_as_its_network_answers(classifier_bundle, executor, monkeypatch):
    model = hosted_model(classifier_bundle, executor)
    asked = []

    def predict(self, images):
        asked.append(len(images))
        if len(asked) > 1:
            raise RuntimeError("no memory")

    monkeypatch.setattr(type(model.predictor), "predict", predict)
    monkeypatch.setattr(hosted, "FRESH_S", 0.2)
    assert asyncio.run(model.is_ready())
    assert asked == []  # it has just been loaded, with a pass of its own
    time.sleep(0.25)
    assert asyncio.run(model.is_ready())
    assert asked == [1]
    time.sleep(0.25)
    assert not asyncio.run(model.is_ready())


def test_a_model_is_made_ready_on_the_thread_of_the_passes(classifier_bundle, executor, tmp_path, monkeypatch):
    """Folding it beside a pass of another model would break that pass."""
    classifier_bundle.save(tmp_path / "bundle")
    store = Store(str(tmp_path / "registry"))
    store.publish(tmp_path / "bundle", "kinds")
    threads, load = [], Predictor.load

    def noted(*args, **kwargs):
        threads.append(threading.current_thread())
        return load(*args, **kwargs)

    monkeypatch.setattr(Predictor, "load", noted)

    model = hosted.host(store, "kinds", ServeArgs(), executor, Measures())

    assert model.info.reference == "kinds@1"
    assert threads == [executor.submit(threading.current_thread).result()]
