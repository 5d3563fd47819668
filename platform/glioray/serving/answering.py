"""What a replica does with a batch of requests: files to images, one pass, pixels to small replies. No Ray."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.errors import GliorayError
from glioray.explain.methods import METHODS, Method
from glioray.serving import drawing, explaining
from glioray.serving.predictor import Classified, Predictor, PreparedSlice, Segmented
from glioray.serving.problems import Problem, problem_of
from glioray.serving.upload import Upload


@dataclass(frozen=True)
class Wish:
    """What is wanted beside the answer itself, as PNG; an explanation of a class, the uncertainty of a mask."""

    picture: bool = False
    overlay: bool = False
    is_scaled: bool = False
    """not a wish but a promise: see `Predictor.prepare`"""
    explain: Method | None = None
    uncertainty: bool = False


@dataclass(frozen=True)
class Labeled:
    """A label map as runs, which are small enough to cross to the process that speaks HTTP."""

    pixels: dict[str, int]
    shape: tuple[int, int]
    values: list[int]
    counts: list[int]
    in_domain: bool | None = None


@dataclass(frozen=True)
class Explanation:
    """What counted for a class, as PNG over the slice; `peak` is (row, column) of the picture that was sent."""

    method: Method
    label: str
    overlay: bytes
    peak: tuple[int, int] | None


@dataclass(frozen=True)
class Uncertainty:
    """How unsure a mask is, as PNG, 255 for 1; and the mean (0..1) inside the labels, none where none was found."""

    picture: bytes
    mean: float | None


@dataclass(frozen=True)
class Reply:
    """The answer, and the pictures that were wished for."""

    answer: Classified | Labeled
    picture: bytes | None = None
    overlay: bytes | None = None
    explanation: Explanation | None = None
    uncertainty: Uncertainty | None = None


@dataclass(frozen=True)
class _Question:
    """A prepared image, and the raw one in grey where it will be drawn."""

    prepared: PreparedSlice
    grey: NDArray[np.uint8] | None
    wish: Wish


def answer_all(predictor: Predictor, uploads: Sequence[Upload], wishes: Sequence[Wish]) -> list[Reply | Problem]:
    """Answers in the order of the uploads; one that cannot be read is a problem and hinders no other.

    A problem is a value: raised in a replica, it would fill the log with stack traces of what a client did.
    """
    questions = [_ask(predictor, upload, wish) for upload, wish in zip(uploads, wishes, strict=True)]
    good = [question for question in questions if isinstance(question, _Question)]
    replies = iter(_reply(predictor, good) if good else ())
    return [next(replies) if isinstance(question, _Question) else question for question in questions]


def _ask(predictor: Predictor, upload: Upload, wish: Wish) -> _Question | Problem:
    try:
        raw = predictor.decode(upload.content, upload.name)
        prepared = predictor.prepare(raw, wish.is_scaled)
        if wish.explain is not None:
            explaining.require_method(predictor, wish.explain)
    except GliorayError as error:
        return problem_of(error)
    except Exception:
        # A decoder's own failure, which no list foresees. Raised here, it would take the whole batch with it.
        logging.getLogger(__name__).exception("an upload of %d bytes broke its decoder", len(upload.content))
        return Problem(400, "The image cannot be read", f"{upload.name}: it breaks its decoder; save it anew as PNG.")
    is_drawn = wish.picture or wish.overlay or wish.explain is not None
    grey = drawing.grey_picture(raw, predictor.config.contents.channels) if is_drawn else None
    return _Question(prepared, grey, wish)


def _reply(predictor: Predictor, questions: Sequence[_Question]) -> Sequence[Reply | Problem]:
    """The replies of one pass through the network; of further ones for those alone that wished for more."""
    slices = [question.prepared for question in questions]
    if predictor.config.contents.task == "classification":
        classified = predictor.classify_batch(slices)
        return [
            found if isinstance(found, Problem) else Reply(answer, _picture(question), explanation=found)
            for answer, question, found in zip(
                classified, questions, _explanations(predictor, questions, classified), strict=True
            )
        ]
    segmented = predictor.segment_batch(slices)
    labels = predictor.config.contents.labels
    return [
        Reply(_labeled(answer), _picture(question), _overlay(answer, question, labels), uncertainty=found)
        for answer, question, found in zip(
            segmented, questions, _uncertainties(predictor, questions, segmented), strict=True
        )
    ]


def _explanations(
    predictor: Predictor, questions: Sequence[_Question], answers: Sequence[Classified]
) -> list[Explanation | Problem | None]:
    """Of the class of each, where one is wished for; a pass for each method."""
    found: list[Explanation | Problem | None] = [None] * len(questions)
    for method in METHODS:
        places = [place for place, question in enumerate(questions) if question.wish.explain == method]
        slices, labels = [questions[place].prepared for place in places], [answers[place].label for place in places]
        try:
            heats = explaining.explain(predictor, slices, labels, method) if places else []
        except GliorayError as error:
            for place in places:
                found[place] = problem_of(error)
            continue
        for place, label, heat in zip(places, labels, heats, strict=True):
            grey = questions[place].grey
            assert grey is not None
            found[place] = Explanation(method, label, drawing.png(drawing.heat_overlay(grey, heat.values)), heat.peak)
    return found


def _uncertainties(
    predictor: Predictor, questions: Sequence[_Question], answers: Sequence[Segmented]
) -> list[Uncertainty | None]:
    """Of each mask, where it is wished for; a pass for all of them."""
    found: list[Uncertainty | None] = [None] * len(questions)
    places = [place for place, question in enumerate(questions) if question.wish.uncertainty]
    slices = [questions[place].prepared for place in places]
    maps = explaining.uncertainty(predictor, slices) if places else []
    for place, values in zip(places, maps, strict=True):
        inside = values[answers[place].mask > 0]
        picture = drawing.png(np.rint(255 * values).astype(np.uint8))
        found[place] = Uncertainty(picture, float(inside.mean()) if inside.size else None)
    return found


def _labeled(answer: Segmented) -> Labeled:
    height, width = answer.mask.shape
    return Labeled(answer.pixels, (height, width), *drawing.runs(answer.mask), answer.in_domain)


def _picture(question: _Question) -> bytes | None:
    if question.grey is None or not question.wish.picture:
        return None
    return drawing.png(question.grey)


def _overlay(answer: Segmented, question: _Question, labels: dict[str, int]) -> bytes | None:
    if question.grey is None or not question.wish.overlay:
        return None
    return drawing.png(drawing.overlay(question.grey, answer.mask, labels))
