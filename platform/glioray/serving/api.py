"""The HTTP API over models that are somewhere else: a FastAPI app that knows nothing of Ray."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse

import glioray
from glioray.explain.methods import Method
from glioray.pages import data_uri
from glioray.registry.card import NOT_A_DEVICE
from glioray.serving import description, problems, samples, schemas, volume_api, web_page
from glioray.serving.answering import Labeled, Reply, Wish
from glioray.serving.choosing import Served, choose, find, no_model, require_known
from glioray.serving.desk import Desk, Errand, LocalDesk
from glioray.serving.kinds import READ, READ_AS_VOLUME
from glioray.serving.predictor import Classified
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.queries import only_known
from glioray.serving.upload import Room, Sent, Upload, read_sent
from glioray.serving.visit import visit_of
from glioray.serving.volume_schemas import JobStatus, VolumeAnswer
from glioray.serving.volume_settings import VolumeArgs
from glioray.serving.volumes import Step

ModelQuery = Annotated[str | None, Query(description="NAME, NAME@VERSION or NAME@ALIAS; none takes the first")]
PictureQuery = Annotated[bool, Query(description="add the slice in grey, which a browser can show")]
ScaledQuery = Annotated[
    bool, Query(description="the 8-bit pixels carry the scale of their volume; else the slice is scaled on its own")
]
RejectQuery = Annotated[
    bool, Query(description="refuse an image unlike those that the model learned from, as a photo, with 422")
]
ChannelsQuery = Annotated[
    str | None,
    Query(description="of one file with all channels: what they are, in their order, with commas; none: as the model"),
]
ExplainQuery = Annotated[
    Method | None,
    Query(description="add where the image counted for the class; attention is for Vision Transformers only"),
]
UncertaintyQuery = Annotated[
    bool, Query(description="add how unsure each pixel of a slice is, over four mirrored copies; in JSON only")
]
_PROBLEMS = problems.described(
    {
        400: "the image cannot be read",
        404: "no such model",
        413: "the body is too large",
        415: "the format is not known",
        422: "the image does not fit the model",
        503: "busy or not ready, see Retry-After",
    }
)
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


def create_api(
    models: Sequence[Served], max_body_bytes: int, volumes: VolumeArgs | None = None, desk: Desk | None = None
) -> FastAPI:
    """The whole API.

    Args:
        models: the first of a task is the one that is asked by default.
        max_body_bytes: of a body that holds no volume.
        volumes: what a volume may be.
        desk: where volumes are handed in; none keeps one in this process.
    """
    volumes = volumes or VolumeArgs()
    # FastAPI's own pages load scripts from a network of others; ours is in web_page.py.
    api = FastAPI(title="glioray", version=glioray.__version__, description=NOT_A_DEVICE, docs_url=None, redoc_url=None)
    problems.install(api)
    description.install(api)
    web_page.install(api)
    samples.install(api)
    desk = desk or LocalDesk(volumes, lambda info, sent: _segment_here(models, info, sent))
    _add_pages(api, models, desk)
    _add_classify(api, models, max_body_bytes)
    _add_segment(api, models, desk, volumes, max_body_bytes)
    api.include_router(volume_api.jobs_router(desk))
    return api


def _add_pages(api: FastAPI, models: Sequence[Served], desk: Desk) -> None:
    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The service is alive."""
        return {"status": "alive"}

    @api.get("/readyz", responses={503: {"model": schemas.Readiness}})
    async def readyz(response: Response) -> schemas.Readiness:
        """Every model would answer; 503 where one would not."""
        now = tuple(models)  # they may change meanwhile
        states = await asyncio.gather(*(model.is_ready() for model in now))
        response.status_code = 200 if all(states) else 503
        names = [model.info.reference for model in now]
        return schemas.Readiness(ready=all(states), models=dict(zip(names, states, strict=True)))

    @api.get("/v1/models")
    async def list_models() -> schemas.Models:
        """Each served model: what it answers, what it learned from, how good it is."""
        return schemas.Models(models=tuple(model.info for model in models))

    @api.get("/v1/replicas")
    async def replicas() -> schemas.Replicas:
        """Every process that answers, and what with: how far a rollout is. Seconds old."""
        return schemas.Replicas(replicas=await desk.replicas())

    @api.get("/v1/models/{reference}/card", response_class=PlainTextResponse, responses={404: _PROBLEMS[404]})
    async def card(reference: str) -> Response:
        """What a model is, what it learned from, how good it is and what it is not for, as Markdown."""
        found = find(models, reference)
        if found is None:
            raise no_model(reference, [model.info.name for model in models])
        return PlainTextResponse(found.card, media_type="text/markdown")


def _add_classify(api: FastAPI, models: Sequence[Served], max_body_bytes: int) -> None:
    @api.post(
        "/v1/classify",
        dependencies=[Depends(only_known)],
        responses=_PROBLEMS,
        openapi_extra=_BODY,
        response_model_exclude_none=True,
    )
    async def classify(
        request: Request,
        model: ModelQuery = None,
        picture: PictureQuery = False,
        reject_out_of_domain: RejectQuery = False,
        explain: ExplainQuery = None,
    ) -> schemas.ClassifyAnswer:
        """Which tumor one image shows."""
        started_at = time.perf_counter()
        chosen = choose(request, models, model, "classification")
        upload = (await read_sent(request, max_body_bytes)).slice_file()
        reply = await _ask(chosen, request, upload, Wish(picture=picture, explain=explain))
        assert isinstance(reply.answer, Classified)
        if reject_out_of_domain:
            require_known(chosen.info, reply.answer.in_domain)
        return schemas.ClassifyAnswer(
            label=reply.answer.label,
            confidence=reply.answer.confidence,
            probabilities=reply.answer.probabilities,
            explanation=_explanation(reply),
            **_about(chosen.info, reply, started_at),
        )


def _segment_here(models: Sequence[Served], info: schemas.ModelInfo, sent: Sent) -> AsyncGenerator[Step, None]:
    model = find(models, info.reference)
    assert model is not None  # it was chosen of these
    return model.segment_volume(sent)


def _add_segment(api: FastAPI, models: Sequence[Served], desk: Desk, volumes: VolumeArgs, max_body_bytes: int) -> None:
    room = Room(volumes.max_kept_bytes, volumes.retry_after_s)

    @api.post(
        "/v1/segment",
        dependencies=[Depends(only_known)],
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
        reject_out_of_domain: RejectQuery = False,
        channels: ChannelsQuery = None,
        slice_index: volume_api.SliceQuery = None,
        uncertainty: UncertaintyQuery = False,
    ) -> schemas.SegmentAnswer | Response:
        """Where a tumor is, in one slice or in a volume.

        `Accept: image/png` gives it drawn over a slice, `application/gzip` the mask of a volume as NIfTI in the grid
        that was sent. With `Prefer: respond-async` a volume becomes a job, whose address is in `Location`.
        """
        started_at = time.perf_counter()
        chosen = choose(request, models, model, "segmentation")
        sent = await volume_api.receive(request, room, volumes.limits.body_bytes, max_body_bytes, channels)
        if sent.is_volume:
            _refuse_of_volume(scaled=scaled, uncertainty=uncertainty)
            errand = Errand(chosen.info, sent, reject_out_of_domain, volume_api.owner_of(request))
            if volume_api.is_job_wished(request):
                return await volume_api.accepted(errand, desk)
            rendering = volume_api.Rendering(request.headers.get("accept", ""), slice_index, picture)
            return await volume_api.answer_now(errand, desk, request, rendering)
        is_overlay = "image/png" in request.headers.get("accept", "")
        wish = Wish(picture, is_overlay, scaled, uncertainty=uncertainty and not is_overlay)
        reply = await _ask(chosen, request, sent.slice_file(), wish)
        assert isinstance(reply.answer, Labeled)
        if reject_out_of_domain:
            require_known(chosen.info, reply.answer.in_domain)
        if reply.overlay is not None:
            return Response(reply.overlay, media_type="image/png")
        scale = "the sender" if scaled else "this slice alone"
        return _segment_answer(chosen.info, reply, reply.answer, scale, started_at)


def _refuse_of_volume(**wishes: bool) -> None:
    if wished := [f"{name}=true" for name, is_wished in wishes.items() if is_wished]:
        detail = f"{' and '.join(wished)}: for a slice only, and this is a volume. Leave it out."
        raise ProblemError(422, "The request has a wrong value", detail)


async def _ask(model: Served, request: Request, upload: Upload, wish: Wish) -> Reply:
    reply = await model.answer(upload, wish)
    if isinstance(reply, Problem):
        raise ProblemError.of(reply)
    visit = visit_of(request.scope)
    if visit is not None:
        visit.found, visit.in_domain = _found(reply), reply.answer.in_domain
    return reply


def _found(reply: Reply) -> tuple[str, ...]:
    if isinstance(reply.answer, Classified):
        return (reply.answer.label,)
    return tuple(name for name, pixels in reply.answer.pixels.items() if pixels)


def _explanation(reply: Reply) -> schemas.Explanation | None:
    found = reply.explanation
    if found is None:
        return None
    overlay = data_uri(found.overlay)
    return schemas.Explanation(method=found.method, label=found.label, overlay=overlay, peak=found.peak)


def _segment_answer(
    info: schemas.ModelInfo, reply: Reply, answer: Labeled, scale: str, started_at: float
) -> schemas.SegmentAnswer:
    height, width = answer.shape
    areas = {
        name: schemas.LabelArea(value=info.labels[name], pixels=pixels, area_share=pixels / (height * width))
        for name, pixels in answer.pixels.items()
    }
    mask = schemas.Mask(shape=answer.shape, values=answer.values, counts=answer.counts)
    unsure = reply.uncertainty
    return schemas.SegmentAnswer(
        labels=areas,
        mask=mask,
        scaled_by=scale,
        uncertainty=unsure and data_uri(unsure.picture),
        mean_uncertainty=unsure and unsure.mean,
        **_about(info, reply, started_at),
    )


def _about(info: schemas.ModelInfo, reply: Reply, started_at: float) -> dict[str, Any]:
    """What every answer says of itself."""
    return {
        "model": info.name,
        "version": info.version,
        "elapsed_ms": round((time.perf_counter() - started_at) * 1000, 2),
        "notice": info.notice,
        "in_domain": reply.answer.in_domain,
        "picture": reply.picture and data_uri(reply.picture),
    }
