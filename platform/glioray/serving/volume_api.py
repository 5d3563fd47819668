"""Volumes over HTTP: answered at once or as a job, in the form that is accepted."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image

from glioray.pages import data_uri
from glioray.serving import drawing, problems
from glioray.serving.accepting import preferred
from glioray.serving.desk import Desk, Errand, Finished
from glioray.serving.jobs import require_slice
from glioray.serving.nifti_mask import nifti_mask
from glioray.serving.queries import only_known
from glioray.serving.schemas import ModelInfo
from glioray.serving.upload import Room, Sent, read_sent
from glioray.serving.visit import visit_of
from glioray.serving.volume_schemas import JobStatus, SlicePictures, VolumeAnswer, answer_json
from glioray.serving.volumes import SegmentedVolume

JSON, PNG, GZIP, NIFTI = "application/json", "image/png", "application/gzip", "application/x-nifti"
FORMS = (JSON, GZIP, NIFTI, PNG)
CONTENT: dict[str, Any] = {
    JSON: {},
    GZIP: {"schema": {"type": "string", "format": "binary", "description": "the mask of a volume, .nii.gz"}},
    PNG: {"schema": {"type": "string", "format": "binary", "description": "a slice with its labels"}},
}
_GONE = problems.described({404: "no such job, or no longer"})
_NOT_DONE = problems.described({409: "not done yet"})
SliceQuery = Annotated[
    int | None,
    Query(alias="slice", ge=0, description="of a volume, for image/png; none takes the one with the most tumor"),
]
PictureQuery = Annotated[bool, Query(description="add each slice in grey, which a browser can show")]


@dataclass(frozen=True)
class Rendering:
    """The form in which the result of a volume is wanted."""

    accept: str
    slice_index: int | None
    with_pictures: bool


async def receive(request: Request, room: Room, most_bytes: int, max_body_bytes: int, channels: str | None) -> Sent:
    """What was sent; a body over the usual limit only where its length is declared, and there is room for it.

    Raises:
        ProblemError: as `read_sent`, or 503 where too much is being received.
    """
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isdecimal() else 0
    if length <= max_body_bytes:
        return await read_sent(request, max_body_bytes, channels)
    most = max(most_bytes, max_body_bytes)
    with room.taken(min(length, most)):
        return await read_sent(request, most, channels)


def owner_of(request: Request) -> str | None:
    """Name of the key that a request came with."""
    visit = visit_of(request.scope)
    return None if visit is None else visit.key_name


def is_job_wished(request: Request) -> bool:
    """Whether `Prefer: respond-async` is among the preferences (RFC 7240)."""
    wishes = ",".join(request.headers.getlist("prefer"))
    return any(wish.split(";")[0].strip().lower() == "respond-async" for wish in wishes.split(","))


async def accepted(errand: Errand, desk: Desk) -> Response:
    """202 with the address of a job."""
    status = await desk.start(errand)
    headers = {"Location": f"/v1/jobs/{status.job}", "Preference-Applied": "respond-async", "Retry-After": "1"}
    return JSONResponse(status.model_dump(mode="json"), 202, headers)


async def answer_now(errand: Errand, desk: Desk, request: Request, rendering: Rendering) -> Response:
    """Waits for a job and answers with its result; whoever hangs up ends the work.

    Raises:
        ProblemError: what ended the job.
    """
    try:
        await desk.start(errand)
        finished = await desk.result(errand.job_id, errand.owner, wait=True)
    finally:
        desk.drop(errand.job_id)
    if (visit := visit_of(request.scope)) is not None:
        visit.found = tuple(name for name, pixels in finished.segmented.pixels.items() if any(pixels))
        visit.in_domain = finished.segmented.in_domain
    return await _rendered(finished, rendering)


def jobs_router(desk: Desk) -> APIRouter:
    """The status, the result and the end of a job."""
    router = APIRouter(prefix="/v1/jobs", responses=_GONE, dependencies=[Depends(only_known)])

    @router.get("/{job_id}")
    async def status(job_id: str, request: Request) -> JobStatus:
        """How far a volume is that was sent with `Prefer: respond-async`."""
        return await desk.status(job_id, owner_of(request))

    @router.get(
        "/{job_id}/result",
        response_model=VolumeAnswer,
        responses={200: {"content": CONTENT}, **_NOT_DONE},
    )
    async def result(
        job_id: str, request: Request, slice_index: SliceQuery = None, picture: PictureQuery = False
    ) -> Response:
        """What a finished job came to, as `POST /v1/segment` answers; it can be fetched again in another form."""
        finished = await desk.result(job_id, owner_of(request))
        return await _rendered(finished, Rendering(request.headers.get("accept", ""), slice_index, picture))

    @router.get("/{job_id}/slices/{slice_index}", responses=_NOT_DONE)
    async def pictures(job_id: str, request: Request, slice_index: Annotated[int, Path(ge=0)]) -> SlicePictures:
        """One slice of a finished job in every channel of its model, which a browser can show; 0 is the lowest."""
        shown = await desk.pictures(job_id, owner_of(request), slice_index)
        return SlicePictures(pictures={name: data_uri(picture) for name, picture in shown.items()})

    @router.delete("/{job_id}", status_code=204)
    async def cancel(job_id: str, request: Request) -> None:
        """Stops a job before its next batch of slices, and forgets it."""
        await desk.cancel(job_id, owner_of(request))

    return router


async def _rendered(finished: Finished, rendering: Rendering) -> Response:
    form = preferred(rendering.accept, FORMS)
    info, segmented = finished.model, finished.segmented
    if form == PNG:
        return Response(await asyncio.to_thread(_overlay, info, segmented, rendering.slice_index), media_type=PNG)
    if form in (GZIP, NIFTI):
        headers = {"Content-Disposition": 'attachment; filename="mask.nii.gz"'}
        return StreamingResponse(_mask_file(segmented), 200, headers, GZIP)
    pieces = answer_json(info, segmented, finished.elapsed_s, rendering.with_pictures)
    return StreamingResponse(pieces, media_type=JSON)


def _mask_file(segmented: SegmentedVolume) -> Iterator[bytes]:
    """Unpacks the mask only when it is iterated, which is not done on the event loop."""
    yield from nifti_mask(segmented.mask, segmented.place)


def _overlay(info: ModelInfo, segmented: SegmentedVolume, slice_index: int | None) -> bytes:
    number = segmented.fullest_slice if slice_index is None else slice_index
    require_slice(segmented, number)
    grey = np.asarray(Image.open(io.BytesIO(segmented.shown[number]), formats=("PNG",)))
    return drawing.png(drawing.overlay(grey, segmented.mask[number], info.labels))
