"""Write the phantom: a classification folder, BraTS-like volumes and their survival, all at once or not at all."""

from __future__ import annotations

import gzip
import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from glioray.data.phantom.images import BrainScan, draw_slices, scan_brain
from glioray.data.phantom.levels import Survey, survey, volumes_ml
from glioray.data.phantom.patient import Patient, draw_patient
from glioray.data.phantom.settings import PhantomSettings
from glioray.data.phantom.survival import TABLE_HEAD, TABLE_NAME, core_ml, draw_course
from glioray.data.phantom.tumor import Kind
from glioray.data.progress import OnCount
from glioray.errors import DataError
from glioray.plain_values import from_json

SCHEMA_VERSION = 1
RECORD_NAME = "PHANTOM.json"


@dataclass(frozen=True)
class PhantomSummary:
    """What a phantom folder holds; `volumes` counts patients with four sequences and a mask."""

    folder: Path
    patients: dict[str, int]
    images: int
    volumes: int


def write_phantom(folder: Path, settings: PhantomSettings, on_patient: OnCount | None = None) -> PhantomSummary:
    """Synthetic patients in FOLDER/slices and FOLDER/volumes; does nothing if they are there already.

    Args:
        on_patient: told how many patients are done, and of how many.

    Raises:
        DataError: the folder holds something else, or cannot be written.
    """
    if _holds_anything(folder):
        return _summary_of_same(folder, settings)
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        _write_all(partial, settings, on_patient)
        partial.replace(folder)
    except OSError as error:
        raise DataError(
            f"cannot write the phantom to {str(folder)!r}: {error.strerror or error}. "
            "Free some space or choose another folder, and run it again; nothing was left behind."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _summary(folder, settings)


def write_scan(folder: Path, scan: BrainScan) -> None:
    """FOLDER/<its name>_{flair,t1,t1ce,t2,seg}.nii.gz; the folder must not be there yet."""
    folder.mkdir(parents=True)
    for sequence, volume in scan.sequences.items():
        _write_nifti(folder / f"{folder.name}_{sequence}.nii.gz", volume, scan.affine)
    _write_nifti(folder / f"{folder.name}_seg.nii.gz", scan.labels, scan.affine)


def _holds_anything(folder: Path) -> bool:
    return folder.is_file() or (folder.is_dir() and any(folder.iterdir()))


def _summary_of_same(folder: Path, settings: PhantomSettings) -> PhantomSummary:
    found = _read_record(folder)
    if found == (SCHEMA_VERSION, settings):
        return _summary(folder, settings)
    what = "something that is not a phantom" if found is None else f"a phantom of {found[1]!r}"
    raise DataError(
        f"asked for a phantom of {settings!r} in {str(folder)!r}, which holds {what}. "
        "Choose an empty folder, or delete this one first."
    )


def _read_record(folder: Path) -> tuple[int, PhantomSettings] | None:
    try:
        record = from_json((folder / RECORD_NAME).read_bytes())
        return record["schema_version"], PhantomSettings.model_validate(record["settings"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


def _write_all(folder: Path, settings: PhantomSettings, on_patient: OnCount | None) -> None:
    folder.mkdir(parents=True)
    for kind in Kind:
        (folder / "slices" / kind).mkdir(parents=True)
    patients, survival = [], [TABLE_HEAD]
    for index in range(settings.num_patients):
        patient = draw_patient(settings.seed, index)
        found = survey(patient, settings.slices_per_patient)
        patients.append(_write_patient(folder, patient, found, settings))
        if patient.kind is Kind.GLIOMA:
            survival.append(draw_course(patient.seed, core_ml(found.volume_ml)).line(patient.patient_id))
        if on_patient is not None:
            on_patient(index + 1, settings.num_patients)
    record = {
        "synthetic": True,
        "schema_version": SCHEMA_VERSION,
        "settings": settings.model_dump(),
        "patients": patients,
    }
    (folder / RECORD_NAME).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (folder / TABLE_NAME).write_text("\n".join(survival) + "\n", encoding="utf-8")


def _write_patient(folder: Path, patient: Patient, found: Survey, settings: PhantomSettings) -> dict[str, Any]:
    """Write all files of a patient; gives its entry of the record."""
    images = draw_slices(patient, found.slice_numbers, settings.image_size)
    for number, image in zip(found.slice_numbers, images, strict=True):
        path = folder / "slices" / patient.kind / f"{patient.patient_id}_s{number:03d}.png"
        Image.fromarray(image).save(path, compress_level=6)
    volume_ml = found.volume_ml
    if patient.kind is Kind.GLIOMA:
        scan = scan_brain(patient, settings)
        write_scan(folder / "volumes" / patient.patient_id, scan)
        volume_ml = volumes_ml(scan.labels, float(abs(np.linalg.det(scan.affine))))
    return {"id": patient.patient_id, "kind": str(patient.kind), "tumor_volume_ml": volume_ml}


def _write_nifti(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> None:
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"synthetic phantom, not a patient"
    # No name and no time in the gzip header: the same settings give the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0) as packed:
        packed.write(image.to_bytes())


def _summary(folder: Path, settings: PhantomSettings) -> PhantomSummary:
    num_kinds = len(Kind)
    patients = {str(k): len(range(i, settings.num_patients, num_kinds)) for i, k in enumerate(Kind)}
    images = settings.num_patients * settings.slices_per_patient
    return PhantomSummary(folder, patients, images, patients[Kind.GLIOMA])
