"""The masks of raw scans: of BraTS, or of the phantom.

Shapes: N slices, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from glioray.data.progress import OnProgress
from glioray.data.records import Case
from glioray.data.sources import RawScans, load, raw_scans
from glioray.data.sources._contract import Source
from glioray.data.staging import hash_of_case
from glioray.errors import DataError
from glioray.remote import sha256_of
from glioray.survival.features import Box
from glioray.survival.honest import HonestModels, mask_of_raw
from glioray.survival.scans import ScannedMasks, Scans

PHANTOM = "PHANTOM.json"


def opened(place: Path) -> Scans:
    """What the files' names and tables say; raises as the source's `find`."""
    source, scans = _raw(place)
    contents, found = source.describe(scans), source.find(scans)
    patients = frozenset(case.patient_id for case in found.cases if case.patient_id)
    return Scans(place, contents, found.clinical, tuple(found.refused), tuple(found.remarks), patients, masks)


def masks(place: Path, wanted: Collection[str], models: HonestModels, show: OnProgress) -> Iterator[ScannedMasks]:
    """See `Scans.masks`."""
    source, scans = _raw(place)
    cases: dict[str, list[Case]] = {}
    for case in sorted(source.find(scans).cases, key=lambda case: case.case_id):
        if case.patient_id in wanted:
            cases.setdefault(str(case.patient_id), []).append(case)
    for number, (patient_id, own) in enumerate(cases.items()):
        yield _read(source, scans, patient_id, own, models)
        show("masks", number + 1, len(cases))


def _read(source: Source, scans: RawScans[Any], patient_id: str, own: list[Case], models: HonestModels) -> ScannedMasks:
    first = own[0]
    volume = source.read(scans, first)
    brain = brain_box(volume.image)
    if volume.mask is None or volume.spacing_mm is None or brain is None:
        raise DataError(f"{scans.name(first.files[0])}: no mask, spacing or brain in it; leave {patient_id!r} out")
    hashes = (
        {hash_of_case(case, {path: sha256_of(path) for path in case.files}) for case in own} if models.named else ()
    )
    predictor = models.unseen(hashes)
    predicted = mask_of_raw(predictor, volume.image) if predictor else None
    return ScannedMasks(patient_id, patient_id, volume.mask, predicted, brain, volume.spacing_mm)


def brain_box(image: NDArray[Any]) -> Box | None:
    """Around all voxels of (N,C,H,W) that are not 0 in every channel."""
    return Box.around((image != 0).any(axis=1))


def _raw(place: Path) -> tuple[Source, RawScans[Any]]:
    source = load("phantom" if (place / PHANTOM).is_file() else "brats_nifti")
    return source, raw_scans(source, place, "segmentation")
