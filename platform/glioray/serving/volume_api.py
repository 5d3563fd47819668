"""Volumes over HTTP: answered at once or as a job, in the form that is accepted."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image

from glioray.pages import data_uri
from glioray.serving import drawing, problems
from glioray.serving.accepting import preferred
from glioray.serving.choosing import Served, require_known
from glioray.serving.jobs import Job, Jobs, result_of
from glioray.serving.nifti_mask import nifti_mask
from glioray.serving.problems import ProblemError
from glioray.serving.schemas import ModelInfo
from glioray.serving.upload import Sent, read_sent
from glioray.serving.visit import visit_of
from glioray.serving.volume_schemas import JobStatus, SlicePictures, VolumeAnswer, answer_json
from glioray.serving.volumes import SegmentedVolume, Step

JSON, PNG, GZIP, NIFTI = "application/json", "image/png", "application/gzip", "application/x-nifti"
FORMS = (JSON, GZIP, NIFTI, PNG)
CONTENT: dict[str, Any] = {
    JSON: {},
    GZIP: {"schema": {"type": "string", "format": "binary", "description": "the mask of a volume, .nii.gz"}},
    PNG: {"schema": {"type": "string", "format": "binary", "description": "a slice with its labels"}},
}
_GONE: dict[int | str, dict[str, Any]] = {
    404: {"description": "no such job, or no longer", "content": {problems.MEDIA_TYPE: {}}}
}
_NOT_DONE: dict[int | str, dict[str, Any]] = {
    409: {"description": "not done yet", "content": {problems.MEDIA_TYPE: {}}}
}
SliceQuery = Annotated[
    int | None,
    Query(alias="slice", ge=0, description="of a volume, for image/png; none takes the one with the most tumor"),
]
PictureQuery = Annotated[bool, Query(description="add each slice in grey, which a browser can show")]


async def receive(request: Request, jobs: Jobs, max_body_bytes: int, channels: str | None) -> Sent:
    """What was sent; a body over the usual limit only where its length is declared, and there is room for it.

    Raises:
        ProblemError: as `read_sent`, or 503 where too much is being received and worked on.
    """
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isdigit() else 0
    if length <= max_body_bytes:
        return await read_sent(request, max_body_bytes, channels)
    most = max(jobs.args.limits.body_bytes, max_body_bytes)
    with jobs.receiving(min(length, most)):
        return await read_sent(request, most, channels)


async def steps(model: Served, sent: Sent, reject_out_of_domain: bool) -> AsyncGenerator[Step, None]:
    """The work on a volume; one that the model does not know ends in a problem, where that was asked for."""
    async for step in model.segment_volume(sent):
        if reject_out_of_domain and isinstance(step, SegmentedVolume):
            try:
                require_known(model.info, step.in_domain)
            except ProblemError as error:
                yield error.problem
                return
        yield step


def is_job_wished(request: Request) -> bool:
    """Whether `Prefer: respond-async` is among the preferences (RFC 7240)."""
    wishes = ",".join(request.headers.getlist("prefer"))
    return any(wish.split(";")[0].strip().lower() == "respond-async" for wish in wishes.split(","))


def accepted(job: Job, jobs: Jobs) -> Response:
    """202 with the address of a job."""
    headers = {"Location": f"/v1/jobs/{job.job_id}", "Preference-Applied": "respond-async", "Retry-After": "1"}
    return JSONResponse(JobStatus.of(job, jobs.elapsed_s(job)).model_dump(mode="json"), 202, headers)


async def answer_now(job: Job, jobs: Jobs, request: Request, slice_index: int | None, with_pictures: bool) -> Response:
    """Waits for a job and answers with its result; whoever hangs up ends the work.

    Raises:
        ProblemError: what ended the job.
    """
    try:
        segmented = await jobs.finished(job)
    finally:
        jobs.forget(job)
    if (visit := visit_of(request.scope)) is not None:
        visit.found = tuple(name for name, pixels in segmented.pixels.items() if any(pixels))
        visit.in_domain = segmented.in_domain
    return await _rendered(job, jobs, segmented, request, slice_index, with_pictures)


def jobs_router(jobs: Jobs) -> APIRouter:
    """The status, the result and the end of a job."""
    router = APIRouter(prefix="/v1/jobs", responses=_GONE)

    @router.get("/{job_id}")
    async def status(job_id: str) -> JobStatus:
        """How far a volume is that was sent with `Prefer: respond-async`."""
        job = jobs.get(job_id)
        return JobStatus.of(job, jobs.elapsed_s(job))

    @router.get(
        "/{job_id}/result",
        response_model=VolumeAnswer,
        responses={200: {"content": CONTENT}, **_NOT_DONE},
    )
    async def result(
        job_id: str, request: Request, slice_index: SliceQuery = None, picture: PictureQuery = False
    ) -> Response:
        """What a finished job came to, as `POST /v1/segment` answers; it can be fetched again in another form."""
        job = jobs.get(job_id)
        return await _rendered(job, jobs, result_of(job), request, slice_index, picture)

    @router.get("/{job_id}/slices/{slice_index}", responses=_NOT_DONE)
    async def pictures(job_id: str, slice_index: Annotated[int, Path(ge=0)]) -> SlicePictures:
        """One slice of a finished job in every channel of its model, which a browser can show; 0 is the lowest."""
        segmented = result_of(jobs.get(job_id))
        _require_slice(segmented, slice_index)
        return SlicePictures(
            pictures={name: data_uri(slices[slice_index]) for name, slices in segmented.pictures.items()}
        )

    @router.delete("/{job_id}", status_code=204)
    async def cancel(job_id: str) -> None:
        """Stops a job before its next batch of slices, and forgets it."""
        jobs.forget(jobs.get(job_id))

    return router


async def _rendered(
    job: Job, jobs: Jobs, segmented: SegmentedVolume, request: Request, slice_index: int | None, with_pictures: bool
) -> Response:
    form = preferred(request.headers.get("accept", ""), FORMS)
    if form == PNG:
        return Response(await asyncio.to_thread(_overlay, job.model, segmented, slice_index), media_type=PNG)
    if form in (GZIP, NIFTI):
        headers = {"Content-Disposition": 'attachment; filename="mask.nii.gz"'}
        return StreamingResponse(_mask_file(segmented), 200, headers, GZIP)
    return StreamingResponse(answer_json(job.model, segmented, jobs.elapsed_s(job), with_pictures), media_type=JSON)


def _mask_file(segmented: SegmentedVolume) -> Iterator[bytes]:
    """Unpacks the mask only when it is iterated, which is not done on the event loop."""
    yield from nifti_mask(segmented.mask, segmented.place)


def _overlay(info: ModelInfo, segmented: SegmentedVolume, slice_index: int | None) -> bytes:
    number = segmented.fullest_slice if slice_index is None else slice_index
    _require_slice(segmented, number)
    grey = np.asarray(Image.open(io.BytesIO(segmented.shown[number]), formats=("PNG",)))
    return drawing.png(drawing.overlay(grey, segmented.mask[number], info.labels))


def _require_slice(segmented: SegmentedVolume, number: int) -> None:
    num_slices = segmented.shape[0]
    if number >= num_slices:
        raise ProblemError(
            422, "There is no such slice", f"slice={number}: the volume has {num_slices}; wanted 0 to {num_slices - 1}."
        )
