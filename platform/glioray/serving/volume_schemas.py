"""What the API answers of a volume and of a job, as OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from glioray.pages import data_uri
from glioray.serving.drawing import runs
from glioray.serving.jobs import Job, State
from glioray.serving.schemas import Frozen, ModelInfo
from glioray.serving.volumes import SegmentedVolume

ML = "in ml; none where the file does not say how far its voxels are apart"


class Amount(Frozen):
    """How much of the volume a label or a region fills."""

    voxels: int
    volume_ml: float | None = Field(description=ML)


class LabelAmount(Amount):
    """How much a label fills, and its value in the mask."""

    value: int


class SliceLabels(Frozen):
    """One slice: its labels' pixels, and the map as runs of equal pixels, row after row.

    In numpy: `np.repeat(values, counts).reshape(shape[1:])`.
    """

    pixels: dict[str, int]
    values: list[int]
    counts: list[int]
    picture: str | None = Field(None, description="with `picture=true`: the slice in grey, a PNG as data URI")


class VolumeAnswer(Frozen):
    """The labels of a volume; slices from the lowest up, rows to the back, columns to the patient's left."""

    model: str
    version: int
    elapsed_ms: float
    notice: str
    in_domain: bool | None = Field(
        description="whether half of the slices that show something are like those of training; none: not known"
    )
    shape: tuple[int, int, int] = Field(description="slices, rows, columns")
    spacing_mm: tuple[float, float, float] | None = Field(
        description="between the centers of slices, rows and columns; none where the file does not say it"
    )
    voxel_ml: float | None = Field(description=ML)
    labels: dict[str, LabelAmount]
    regions: dict[str, Amount] = Field(description="labels that count together")
    fullest_slice: int = Field(description="index of the slice with the most labeled pixels, from 0")
    slices: list[SliceLabels]

    @classmethod
    def without_slices(cls, info: ModelInfo, segmented: SegmentedVolume, elapsed_s: float) -> VolumeAnswer:
        """What is said of a segmented volume as a whole, in the words of the model."""
        voxel_ml = segmented.place.voxel_ml
        voxels = {name: sum(pixels) for name, pixels in segmented.pixels.items()}
        together = {region: sum(voxels[name] for name in names) for region, names in info.regions.items()}

        def ml(count: int) -> float | None:
            return None if voxel_ml is None else round(count * voxel_ml, 4)

        return cls(
            model=info.name,
            version=info.version,
            elapsed_ms=round(elapsed_s * 1000, 2),
            notice=info.notice,
            in_domain=segmented.in_domain,
            shape=segmented.shape,
            spacing_mm=segmented.spacing_mm,
            voxel_ml=voxel_ml,
            labels={
                name: LabelAmount(value=info.labels[name], voxels=count, volume_ml=ml(count))
                for name, count in voxels.items()
            },
            regions={region: Amount(voxels=count, volume_ml=ml(count)) for region, count in together.items()},
            fullest_slice=segmented.fullest_slice,
            slices=[],
        )


class SlicePictures(Frozen):
    """One slice of a volume in every channel of the model."""

    pictures: dict[str, str] = Field(
        description="by channel: the slice in grey, each channel on one scale over the volume, a PNG as data URI"
    )


class JobStatus(Frozen):
    """What has become of a volume that was sent as a job."""

    job: str = Field(description="its id")
    state: State
    slices_done: int
    slices: int = Field(description="0 until the volume has been read")
    elapsed_s: float
    model: str
    version: int
    result: str | None = Field(description="address of the result, once there is one")
    problem: str | None = Field(description="why it failed; its result's address gives it with its status")
    notice: str

    @classmethod
    def of(cls, job: Job, elapsed_s: float) -> JobStatus:
        """Of a job as it is now."""
        return cls(
            job=job.job_id,
            state=job.state,
            slices_done=job.progress.done,
            slices=job.progress.total,
            elapsed_s=round(elapsed_s, 2),
            model=job.model.name,
            version=job.model.version,
            result=f"/v1/jobs/{job.job_id}/result" if job.state == "done" else None,
            problem=None if job.problem is None else f"{job.problem.title}: {job.problem.detail}",
            notice=job.model.notice,
        )


def answer_json(info: ModelInfo, segmented: SegmentedVolume, elapsed_s: float, with_pictures: bool) -> Iterator[str]:
    """The JSON of a `VolumeAnswer` in pieces, a slice at a time: a noisy volume has millions of runs."""
    answer = VolumeAnswer.without_slices(info, segmented, elapsed_s)
    yield answer.model_dump_json(exclude={"slices"}).removesuffix("}") + ',"slices":['
    for number, mask in enumerate(segmented.mask):
        values, counts = runs(np.ascontiguousarray(mask))
        pixels = {name: by_slice[number] for name, by_slice in segmented.pixels.items()}
        picture = data_uri(segmented.shown[number]) if with_pictures else None
        labels = SliceLabels(pixels=pixels, values=values, counts=counts, picture=picture)
        piece = labels.model_dump_json(exclude_none=True)
        yield f",{piece}" if number else piece
    yield "]}"
