"""The HTTP API over models that are somewhere else: a FastAPI app that knows nothing of Ray."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request, Response

import glioray
from glioray.data.records import TaskName
from glioray.errors import did_you_mean
from glioray.registry.card import NOT_A_DEVICE
from glioray.serving import description, problems, schemas, web_page
from glioray.serving.answering import Labeled, Reply, Wish
from glioray.serving.predictor import Classified
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.upload import Upload, read_upload
from glioray.serving.visit import visit_of

ModelQuery = Annotated[str | None, Query(description="NAME, NAME@VERSION or NAME@ALIAS; none takes the first")]
PictureQuery = Annotated[bool, Query(description="add the slice in grey, which a browser can show")]
ScaledQuery = Annotated[
    bool, Query(description="the 8-bit pixels carry the scale of their volume; else the slice is scaled on its own")
]
RejectQuery = Annotated[
    bool, Query(description="refuse an image unlike those that the model learned from, as a photo, with 422")
]
_ROUTES = {"classification": "/v1/classify", "segmentation": "/v1/segment"}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {problems.MEDIA_TYPE: {}}}
    for status, text in {
        400: "the image cannot be read",
        404: "no such model",
        413: "the body is too large",
        415: "the format is not known",
        422: "the image does not fit the model",
        503: "busy or not ready, see Retry-After",
    }.items()
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "PNG, JPEG, TIFF (a page for each channel), BMP, WebP or .npy (channels, height, width)",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


class Served(Protocol):
    """A model that answers, wherever it runs."""

    @property
    def info(self) -> schemas.ModelInfo: ...

    async def answer(self, upload: Upload, wish: Wish) -> Reply | Problem:
        """Raises ProblemError 503 where it is busy or away."""

    async def is_ready(self) -> bool:
        """Whether it would answer now."""


def create_api(models: Sequence[Served], max_body_bytes: int) -> FastAPI:
    """The whole API; the first model of a task is the one that is asked by default."""
    # FastAPI's own pages load scripts from a network of others; ours is in web_page.py.
    api = FastAPI(title="glioray", version=glioray.__version__, description=NOT_A_DEVICE, docs_url=None, redoc_url=None)
    problems.install(api)
    description.install(api)
    web_page.install(api)
    _add_pages(api, models)
    _add_questions(api, models, max_body_bytes)
    return api


def _add_pages(api: FastAPI, models: Sequence[Served]) -> None:
    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The service is alive."""
        return {"status": "alive"}

    @api.get("/readyz", responses={503: {"model": schemas.Readiness}})
    async def readyz(response: Response) -> schemas.Readiness:
        """Every model would answer; 503 where one would not."""
        states = await asyncio.gather(*(model.is_ready() for model in models))
        response.status_code = 200 if all(states) else 503
        names = [model.info.reference for model in models]
        return schemas.Readiness(ready=all(states), models=dict(zip(names, states, strict=True)))

    @api.get("/v1/models")
    async def list_models() -> schemas.Models:
        """Each served model: what it answers, what it learned from, how good it is."""
        return schemas.Models(models=tuple(model.info for model in models))


def _add_questions(api: FastAPI, models: Sequence[Served], max_body_bytes: int) -> None:
    @api.post("/v1/classify", responses=_PROBLEMS, openapi_extra=_BODY, response_model_exclude_none=True)
    async def classify(
        request: Request,
        model: ModelQuery = None,
        picture: PictureQuery = False,
        reject_out_of_domain: RejectQuery = False,
    ) -> schemas.ClassifyAnswer:
        """Which tumor one image shows."""
        started_at = time.perf_counter()
        chosen = _choose(models, model, "classification")
        reply = await _ask(chosen, request, max_body_bytes, Wish(picture=picture))
        assert isinstance(reply.answer, Classified)
        if reject_out_of_domain:
            _require_known(chosen.info, reply)
        return schemas.ClassifyAnswer(
            label=reply.answer.label,
            confidence=reply.answer.confidence,
            probabilities=reply.answer.probabilities,
            **_about(chosen.info, reply, started_at),
        )

    @api.post(
        "/v1/segment",
        responses={200: {"content": {"image/png": {}}}, **_PROBLEMS},
        response_model=schemas.SegmentAnswer,
        openapi_extra=_BODY,
        response_model_exclude_none=True,
    )
    async def segment(
        request: Request,
        model: ModelQuery = None,
        picture: PictureQuery = False,
        scaled: ScaledQuery = False,
        reject_out_of_domain: RejectQuery = False,
    ) -> schemas.SegmentAnswer | Response:
        """Where a tumor is in one slice; `Accept: image/png` gives it drawn over the slice."""
        started_at = time.perf_counter()
        chosen = _choose(models, model, "segmentation")
        is_overlay = "image/png" in request.headers.get("accept", "")
        reply = await _ask(chosen, request, max_body_bytes, Wish(picture, is_overlay, scaled))
        assert isinstance(reply.answer, Labeled)
        if reject_out_of_domain:
            _require_known(chosen.info, reply)
        if reply.overlay is not None:
            return Response(reply.overlay, media_type="image/png")
        scale = "the sender" if scaled else "this slice alone"
        return _segment_answer(chosen.info, reply, reply.answer, scale, started_at)


async def _ask(model: Served, request: Request, max_body_bytes: int, wish: Wish) -> Reply:
    visit = visit_of(request.scope)
    if visit is not None:
        visit.model, visit.version = model.info.name, model.info.version
    upload = await read_upload(request, max_body_bytes)
    reply = await model.answer(upload, wish)
    if isinstance(reply, Problem):
        raise ProblemError(reply.status, reply.title, reply.detail, reply.retry_after_s)
    if visit is not None:
        visit.found, visit.in_domain = _found(reply), reply.answer.in_domain
    return reply


def _require_known(info: schemas.ModelInfo, reply: Reply) -> None:
    """Refuses an image that the model cannot say anything of, where that was asked for."""
    if reply.answer.in_domain is None:
        detail = f"{info.reference} does not know which images it knows: evaluate its run and publish it anew."
        raise ProblemError(422, "The model cannot tell whether it knows the image", detail)
    if not reply.answer.in_domain:
        detail = f"It is unlike the {', '.join(info.channels)} images that {info.reference} learned from."
        raise ProblemError(422, "Not an image that the model knows", detail)


def _found(reply: Reply) -> tuple[str, ...]:
    if isinstance(reply.answer, Classified):
        return (reply.answer.label,)
    return tuple(name for name, pixels in reply.answer.pixels.items() if pixels)


def _choose(models: Sequence[Served], reference: str | None, task: TaskName) -> Served:
    """The first model that fits, refused with the nearest one where none does."""
    fitting = [model for model in models if model.info.task == task]
    for model in fitting:
        if reference is None or reference in _references(model.info):
            return model
    names = [model.info.name for model in fitting]
    if reference is None:
        raise ProblemError(404, "There is no such model", f"No model for {task} is served.")
    for model in models:
        if reference in _references(model.info):
            detail = f"{reference!r} is for {model.info.task}: POST to {_ROUTES[model.info.task]}."
            raise ProblemError(404, "The model answers another question", detail)
    detail = f"No model for {task} is called {reference!r}{did_you_mean(reference, names)}"
    raise ProblemError(404, "There is no such model", detail)


def _references(info: schemas.ModelInfo) -> set[str]:
    tags = [str(info.version), *info.aliases]
    return {info.name, *(f"{info.name}@{tag}" for tag in tags)}


def _segment_answer(
    info: schemas.ModelInfo, reply: Reply, answer: Labeled, scale: str, started_at: float
) -> schemas.SegmentAnswer:
    height, width = answer.shape
    areas = {
        name: schemas.LabelArea(value=info.labels[name], pixels=pixels, area_share=pixels / (height * width))
        for name, pixels in answer.pixels.items()
    }
    mask = schemas.Mask(shape=answer.shape, values=answer.values, counts=answer.counts)
    return schemas.SegmentAnswer(labels=areas, mask=mask, scaled_by=scale, **_about(info, reply, started_at))


def _about(info: schemas.ModelInfo, reply: Reply, started_at: float) -> dict[str, Any]:
    """What every answer says of itself."""
    picture = reply.picture and f"data:image/png;base64,{base64.b64encode(reply.picture).decode()}"
    return {
        "model": info.name,
        "version": info.version,
        "elapsed_ms": round((time.perf_counter() - started_at) * 1000, 2),
        "notice": info.notice,
        "in_domain": reply.answer.in_domain,
        "picture": picture,
    }
