"""Makes the synthetic scans that the page offers: `python -m glioray.serving.make_samples FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from glioray.data.phantom import PhantomSettings
from glioray.data.phantom.images import draw_slices, scan_brain
from glioray.data.phantom.levels import survey
from glioray.data.phantom.patient import Patient, draw_patient
from glioray.data.phantom.tumor import Kind
from glioray.data.phantom.write import write_scan
from glioray.serving import samples

SLICE_PX = 192
VOLUME = PhantomSettings(num_patients=4, image_size=88, num_slices=20, seed=4)  # not the seed that the demo trains on


def write_samples(folder: Path) -> None:
    """A slice of each kind, and the four sequences of the patient with a glioma, into a folder that is there."""
    patients = [draw_patient(VOLUME.seed, index) for index in range(len(Kind))]
    for patient in patients:
        _write_slice(folder / samples.slice_name(patient.kind), patient)
    (glioma,) = (patient for patient in patients if patient.kind is Kind.GLIOMA)
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        scan = Path(inside) / "phantom"
        write_scan(scan, scan_brain(glioma, VOLUME))
        for sequence in samples.SEQUENCES:
            name = samples.sequence_name(sequence)
            (scan / name).replace(folder / name)


def _write_slice(path: Path, patient: Patient) -> None:
    """The middle one of those that show the tumor."""
    _, middle, _ = survey(patient, 3).slice_numbers
    (image,) = draw_slices(patient, (middle,), SLICE_PX)
    Image.fromarray(image).save(path, optimize=True)


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]))
