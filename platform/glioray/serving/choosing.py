"""Which served model a request is for, and whether that model may answer it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from fastapi import Request

from glioray.data.records import TaskName
from glioray.errors import did_you_mean
from glioray.serving.answering import Reply, Wish
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.schemas import ModelInfo
from glioray.serving.upload import Sent, Upload
from glioray.serving.visit import visit_of
from glioray.serving.volumes import Step

_ROUTES = {"classification": "/v1/classify", "segmentation": "/v1/segment"}


class Served(Protocol):
    """A model that answers, wherever it runs."""

    @property
    def info(self) -> ModelInfo: ...
    @property
    def card(self) -> str:
        """The model card, Markdown."""

    async def answer(self, upload: Upload, wish: Wish) -> Reply | Problem:
        """Raises ProblemError 503 where it is busy or away."""

    def segment_volume(self, sent: Sent) -> AsyncGenerator[Step, None]:
        """As `volumes.segment_volume`; raises ProblemError 503 where it is busy or away."""

    async def is_ready(self) -> bool:
        """Whether it would answer now."""


def find(models: Sequence[Served], reference: str) -> Served | None:
    """The model that NAME, NAME@VERSION or NAME@ALIAS leads to, of any task."""
    return next((model for model in models if reference in _references(model.info)), None)


def choose(request: Request, models: Sequence[Served], reference: str | None, task: TaskName) -> Served:
    """The model of a task that is asked for, by default the first; told to the log of the request.

    Raises:
        ProblemError: 404, with the nearest name or the call that the model answers.
    """
    fitting = [model for model in models if model.info.task == task]
    chosen = find(fitting, reference) if reference is not None else next(iter(fitting), None)
    if chosen is None:
        raise _no_such(models, fitting, reference, task)
    visit = visit_of(request.scope)
    if visit is not None and "@" not in (reference or ""):
        chosen = _or_canary(chosen, fitting, visit.request_id)
    if visit is not None:
        visit.model, visit.version = chosen.info.name, chosen.info.version
    return chosen


def require_known(info: ModelInfo, in_domain: bool | None) -> None:
    """Refuses an image that the model cannot say anything of, where that was asked for.

    Raises:
        ProblemError: 422.
    """
    if in_domain is None:
        detail = f"{info.reference} does not know which images it knows: evaluate its run and publish it anew."
        raise ProblemError(422, "The model cannot tell whether it knows the image", detail)
    if not in_domain:
        detail = f"It is unlike the {', '.join(info.channels)} images that {info.reference} learned from."
        raise ProblemError(422, "Not an image that the model knows", detail)


def no_model(reference: str, names: Sequence[str], what: str = "No model") -> ProblemError:
    """404, with the nearest name."""
    return ProblemError(
        404, "There is no such model", f"{what} is called {reference!r}{did_you_mean(reference, names)}"
    )


def _no_such(
    models: Sequence[Served], fitting: Sequence[Served], reference: str | None, task: TaskName
) -> ProblemError:
    if reference is None:
        return ProblemError(404, "There is no such model", f"No model for {task} is served.")
    if (other := find(models, reference)) is not None:
        detail = f"{reference!r} is for {other.info.task}: POST to {_ROUTES[other.info.task]}."
        return ProblemError(404, "The model answers another question", detail)
    return no_model(reference, [model.info.name for model in fitting], f"No model for {task}")


def _or_canary(chosen: Served, models: Sequence[Served], request_id: str) -> Served:
    """The canary of the same name for its share of the requests; the same for the same id."""
    place = zlib.crc32(request_id.encode()) / 2**32
    versions = (model for model in models if model.info.name == chosen.info.name)
    return next((model for model in versions if place < (model.info.canary_share or 0)), chosen)


def _references(info: ModelInfo) -> set[str]:
    named = {f"{info.name}@{tag}" for tag in (info.version, *info.aliases)}
    return named if info.canary_share is not None else {info.name, *named}
