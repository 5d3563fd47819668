"""The HTTP API over models that are somewhere else: a FastAPI app that knows nothing of Ray."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Sequence
from importlib import resources
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse

import glioray
from glioray.data.records import TaskName
from glioray.errors import did_you_mean
from glioray.registry.card import NOT_A_DEVICE
from glioray.serving import problems, schemas, volume_api
from glioray.serving.answering import Labeled, Reply, Wish
from glioray.serving.jobs import Jobs
from glioray.serving.kinds import READ, READ_AS_VOLUME
from glioray.serving.predictor import Classified
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.upload import Sent, Upload, read_sent
from glioray.serving.volume_schemas import JobStatus, VolumeAnswer
from glioray.serving.volume_settings import VolumeArgs
from glioray.serving.volumes import Step

ModelQuery = Annotated[str | None, Query(description="NAME, NAME@VERSION or NAME@ALIAS; none takes the first")]
PictureQuery = Annotated[bool, Query(description="add the slice in grey, which a browser can show")]
ScaledQuery = Annotated[
    bool, Query(description="the 8-bit pixels carry the scale of their volume; else the slice is scaled on its own")
]
ChannelsQuery = Annotated[
    str | None,
    Query(description="of one file with all channels: what they are, in their order, with commas; none: as the model"),
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
_FILE = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"{READ}: TIFF with a page for each channel, .npy as (channels, height, width). A volume: "
        f"{READ_AS_VOLUME}; or a part of a form for each sequence, named for it.",
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": _FILE}, "additionalProperties": _FILE}
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

    def segment_volume(self, sent: Sent) -> AsyncGenerator[Step, None]:
        """As `volumes.segment_volume`; raises ProblemError 503 where it is busy or away."""

    async def is_ready(self) -> bool:
        """Whether it would answer now."""


def create_api(models: Sequence[Served], max_body_bytes: int, volumes: VolumeArgs | None = None) -> FastAPI:
    """The whole API; the first model of a task is the one that is asked by default."""
    api = FastAPI(title="glioray", version=glioray.__version__, description=NOT_A_DEVICE)
    problems.install(api)
    _add_pages(api, models)
    jobs = Jobs(volumes or VolumeArgs())
    _add_classify(api, models, max_body_bytes)
    _add_segment(api, models, jobs, max_body_bytes)
    api.include_router(volume_api.jobs_router(jobs))
    return api


def _add_pages(api: FastAPI, models: Sequence[Served]) -> None:
    page = resources.files("glioray.serving").joinpath("web/index.html").read_text(encoding="utf-8")

    @api.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page)

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


def _add_classify(api: FastAPI, models: Sequence[Served], max_body_bytes: int) -> None:
    @api.post("/v1/classify", responses=_PROBLEMS, openapi_extra=_BODY, response_model_exclude_none=True)
    async def classify(
        request: Request, model: ModelQuery = None, picture: PictureQuery = False
    ) -> schemas.ClassifyAnswer:
        """Which tumor one image shows."""
        started_at = time.perf_counter()
        chosen = _choose(models, model, "classification")
        upload = (await read_sent(request, max_body_bytes)).slice_file()
        reply = await _ask(chosen, upload, Wish(picture=picture))
        assert isinstance(reply.answer, Classified)
        return schemas.ClassifyAnswer(
            label=reply.answer.label,
            confidence=reply.answer.confidence,
            probabilities=reply.answer.probabilities,
            **_about(chosen.info, reply, started_at),
        )


def _add_segment(api: FastAPI, models: Sequence[Served], jobs: Jobs, max_body_bytes: int) -> None:
    @api.post(
        "/v1/segment",
        responses={200: {"content": volume_api.CONTENT}, 202: {"model": JobStatus}, **_PROBLEMS},
        response_model=schemas.SegmentAnswer | VolumeAnswer,
        openapi_extra=_BODY,
        response_model_exclude_none=True,
    )
    async def segment(
        request: Request,
        model: ModelQuery = None,
        picture: PictureQuery = False,
        scaled: ScaledQuery = False,
        channels: ChannelsQuery = None,
        slice_index: volume_api.SliceQuery = None,
    ) -> schemas.SegmentAnswer | Response:
        """Where a tumor is, in one slice or in a volume.

        `Accept: image/png` gives it drawn over a slice, `application/gzip` the mask of a volume as NIfTI in the grid
        that was sent. With `Prefer: respond-async` a volume becomes a job, whose address is in `Location`.
        """
        started_at = time.perf_counter()
        chosen = _choose(models, model, "segmentation")
        sent = await volume_api.receive(request, jobs, max_body_bytes, channels)
        if sent.is_volume:
            _refuse_scaled(scaled)
            job = jobs.start(chosen.info, sent.num_bytes, lambda: chosen.segment_volume(sent))
            if volume_api.is_job_wished(request):
                return volume_api.accepted(job, jobs)
            return await volume_api.answer_now(job, jobs, request, slice_index)
        is_overlay = "image/png" in request.headers.get("accept", "")
        reply = await _ask(chosen, sent.slice_file(), Wish(picture, is_overlay, scaled))
        assert isinstance(reply.answer, Labeled)
        if reply.overlay is not None:
            return Response(reply.overlay, media_type="image/png")
        scale = "the sender" if scaled else "this slice alone"
        return _segment_answer(chosen.info, reply, reply.answer, scale, started_at)


def _refuse_scaled(scaled: bool) -> None:
    if scaled:
        detail = "scaled=true is for a slice: a volume is put on its own scale. Leave it out."
        raise ProblemError(422, "The request has a wrong value", detail)


async def _ask(model: Served, upload: Upload, wish: Wish) -> Reply:
    reply = await model.answer(upload, wish)
    if isinstance(reply, Problem):
        raise ProblemError(reply.status, reply.title, reply.detail, reply.retry_after_s)
    return reply


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
        "picture": picture,
    }
