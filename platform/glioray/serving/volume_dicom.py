"""DICOM that was uploaded: the series of one study, or one file with all slices, on the grid of the first channel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glioray.data.dicom.geometry import Grid
from glioray.data.dicom.sequences import DEFAULT_PATTERNS, Sorted, sort_series
from glioray.data.dicom.series import Series, Survey, series_among
from glioray.data.dicom.study import Plan, by_study, plan_study, read_channels, refuse_unreadable
from glioray.data.dicom.volume import axial_grid
from glioray.data.scan_file import ScanFile
from glioray.data.sequence_names import sequence_of
from glioray.errors import DataError, UnreadableError
from glioray.serving.volume_file import Place, ScannedVolume, refuse_large
from glioray.serving.volume_settings import Limits

# DICOM counts to the left and to the back, NIfTI to the right and to the front.
TO_NIFTI = np.diag([-1.0, -1.0, 1.0, 1.0])
BYTES_A_VOXEL = 4


def read_study(files: Mapping[str, ScanFile], channels: Sequence[str], limits: Limits) -> ScannedVolume:
    """The series that are the model's channels, told by their descriptions; a lone series for a model of one channel.

    Args:
        files: by their names in the archive; what is no DICOM is passed over.
        channels: of the model.
        limits: of the volume.

    Raises:
        DataError: no study, or several, a channel missing or there twice, slices missing, or too large.
        UnreadableError: a file is damaged.
    """
    survey = series_among(files, most_frames=limits.slices * len(channels))
    plan = _plan(survey, channels)
    refuse_unreadable(plan, survey)
    grids = [plan.grid, *(axial_grid(series) for series in plan.channels)]
    for grid in grids:
        num_slices, height, width = grid.shape
        refuse_large((num_slices, len(channels), height, width), BYTES_A_VOXEL, limits, plan.reference.title)
    image, _ = read_channels(plan)
    return ScannedVolume(image, Place(_affine(plan.grid)), plan.grid.spacing_mm)


def _plan(survey: Survey, channels: Sequence[str]) -> Plan:
    studies = by_study(survey.series)
    if not studies:
        why = [f"{count} files are {kind}" for kind, count in survey.skipped.items()]
        why += [reason for _, reason in survey.unreadable[:1]]
        raise UnreadableError(f"no DICOM series is in it ({'; '.join(why) or 'it is empty'}).")
    if len(studies) > 1:
        raise DataError(f"{len(studies)} DICOM studies are in it; send one study at a time")
    (study,) = studies
    usable = [series for series in study if series.problem is None and not series.is_segmentation]
    if len(channels) == len(usable) == 1:
        return plan_study(Sorted({channels[0]: usable}), channels)
    return _plan_by_names(study, [sequence_of(channel) for channel in channels])


def _plan_by_names(study: Sequence[Series], names: Sequence[str]) -> Plan:
    is_known = set(names) <= set(DEFAULT_PATTERNS)
    patterns = DEFAULT_PATTERNS if is_known else {n: DEFAULT_PATTERNS.get(n, re.escape(n)) for n in names}
    try:
        return plan_study(sort_series(study, patterns), names)
    except DataError as error:
        raise DataError(
            f"{error} (options in -o are those of `glioray prepare`; here, leave out of the zip what is not wanted)"
        ) from None


def _affine(grid: Grid) -> NDArray[np.float64]:
    """(4, 4) for voxels (column, row, slice) as NIfTI has them, of a grid's (slice, row, column)."""
    affine: NDArray[np.float64] = TO_NIFTI @ grid.affine[:, [2, 1, 0, 3]]
    return affine
