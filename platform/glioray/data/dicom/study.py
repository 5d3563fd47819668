"""One study as a model's channels: which series they are, on whose grid, and their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.dicom.geometry import Grid, is_same_grid
from glioray.data.dicom.masks import is_on_grid, refuse_segments
from glioray.data.dicom.sequences import Sorted
from glioray.data.dicom.series import Series, Survey
from glioray.data.dicom.volume import Volume, axial_grid, read_volume, resample
from glioray.errors import DataError, UnreadableError

MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """The series of one study in the order of the channels, and the one on whose grid all are given."""

    channels: tuple[Series, ...]
    reference: Series
    grid: Grid
    mask: Series | None = None

    @property
    def series(self) -> tuple[Series, ...]:
        """All that are used."""
        return self.channels if self.mask is None else (*self.channels, self.mask)


def by_study(found: Iterable[Series]) -> list[list[Series]]:
    """The series of each study of each patient."""
    studies: dict[tuple[str, str], list[Series]] = {}
    for series in found:
        studies.setdefault((series.patient_id, series.study_uid), []).append(series)
    return list(studies.values())


def plan_study(
    found: Sorted, names: Sequence[str], labels: Sequence[str] | None = None, may_resample: bool = True
) -> Plan:
    """Which series of a study are the channels `names`.

    Args:
        found: the series of the study, by sequence.
        names: sequences in the order of the channels.
        labels: names of a mask's labels, and then a mask must be there; none: no mask is wanted.
        may_resample: take sequences that lie on another grid.

    Raises:
        DataError: a sequence or the mask is missing, is there twice, or does not fit.
    """
    channels = tuple(_only_one(found, name) for name in names)
    mask, reference = None, channels[0]
    if labels is not None:
        mask, reference = _mask(found, channels)
        refuse_segments(mask, labels)
    grid = axial_grid(reference)
    for series in channels:
        _refuse_apart(series, reference, grid, may_resample)
    return Plan(channels, reference, grid, mask)


def refuse_unreadable(plan: Plan, survey: Survey) -> None:
    """Refuses a plan where a damaged file in a folder of its series may be a slice of it.

    Raises:
        DataError: there is one.
    """
    folders = {PurePosixPath(name).parent for series in plan.series for name in series.names}
    for name, reason in survey.unreadable:
        if PurePosixPath(name).parent in folders:
            raise DataError(f"a file among its slices is damaged: {reason} Replace it, or take it out")


def read_channels(plan: Plan) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(N, C, H, W) on the grid of the plan, and the file of each slice of its reference.

    Raises:
        UnreadableError: a file is damaged, or a sequence shows another part of the body.
    """
    volumes = [_on_grid(series, plan) for series in plan.channels]
    names = volumes[plan.channels.index(plan.reference)].names
    return np.stack([volume.values for volume in volumes], axis=1), names


def _only_one(found: Sorted, name: str) -> Series:
    usable = found.usable(name)
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise DataError(
            f"{len(usable)} series may be {name!r}: {_titles(usable)}. Keep one, or tell them apart by a pattern "
            f"of the description: -o 'sequences={{{name}: PATTERN}}'"
        )
    refused = found.sequences.get(name, [])
    if refused:
        raise DataError(f"{refused[0].title} may be {name!r}, and cannot be used: {refused[0].problem}")
    raise DataError(f"no series is {name!r}. {_what_is_there(found)}")


def _what_is_there(found: Sorted) -> str:
    others = [series for series in found.others if series.problem is None]
    known = [name for name in found.sequences if found.usable(name)]
    if known or others:
        unnamed = f"; of no known sequence: {_titles(others)}" if others else ""
        return f"Found: {', '.join(known) or 'none'}{unnamed}. Say which to use by -o sequences=[...] or by a pattern"
    problems = [f"{series.title}: {series.problem}" for series in found.all if series.problem]
    return f"None of the study's series can be used: {'; '.join(problems[:MOST_NAMED]) or 'it has masks only'}"


def _mask(found: Sorted, channels: Sequence[Series]) -> tuple[Series, Series]:
    """The one mask that lies on the grid of a channel, and that channel: the first where several fit."""
    candidates = [mask for mask in found.masks if mask.problem is None]
    if not candidates:
        why = f" {found.masks[0].title} cannot be used: {found.masks[0].problem}." if found.masks else ""
        raise DataError(
            f"no mask of the tumor.{why} A study is trained on with a series or a segmentation object that marks it: "
            "add one, name it by -o mask=PATTERN, or take the study out"
        )
    for channel in channels:
        grid = axial_grid(channel)
        fitting = [mask for mask in candidates if is_on_grid(mask, grid)]
        if len(fitting) > 1:
            raise DataError(f"{len(fitting)} masks fit: {_titles(fitting)}. Say which by -o mask=PATTERN")
        if fitting:
            return fitting[0], channel
    first = candidates[0]
    place = "" if first.is_segmentation else f" ({axial_grid(first)})"
    raise DataError(
        f"{first.title} marks no voxels of a channel{place}: {channels[0].title} has {axial_grid(channels[0])}. "
        "Add the sequence on which the mask was drawn"
    )


def _refuse_apart(series: Series, reference: Series, grid: Grid, may_resample: bool) -> None:
    own = axial_grid(series)
    if is_same_grid(own, grid):
        return
    if not may_resample:
        raise DataError(f"{series.title} has {own}, {reference.title} has {grid}. Allow it by -o resample=true")
    frames = (series.frame_of_reference, reference.frame_of_reference)
    if all(frames) and frames[0] != frames[1]:
        raise DataError(
            f"{series.title} has another frame of reference than {reference.title}: the patient moved between them, "
            "and positions do not fit. Register them first"
        )


def _on_grid(series: Series, plan: Plan) -> Volume:
    volume = read_volume(series)
    if is_same_grid(volume.grid, plan.grid):
        return volume
    try:
        return Volume(resample(volume, plan.grid), plan.grid, (series.names[0],) * plan.grid.shape[0])
    except DataError as error:
        raise UnreadableError(f"{series.names[0]}: {error}.") from None


def _titles(series: Sequence[Series]) -> str:
    more = f" and {len(series) - MOST_NAMED} more" if len(series) > MOST_NAMED else ""
    return "; ".join(one.title for one in series[:MOST_NAMED]) + more
