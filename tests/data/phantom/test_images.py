"""Pictures show what is there, the right way up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glioray.data.phantom import PhantomSettings
from glioray.data.phantom.images import draw_slices, scan_brain, slice_labels
from glioray.data.phantom.levels import survey
from glioray.data.phantom.patient import Patient, draw_patient
from glioray.data.phantom.sequences import Sequence
from glioray.data.phantom.tumor import Kind


def tumor_in_picture(patient: Patient) -> tuple[float, float]:
    """Row and column of the tumor, in [-1, 1] from the top left: the same head with and without it."""
    levels = survey(patient, num_levels=3).slice_numbers[1:2]
    shown = draw_slices(patient, levels, size_px=96)[0].astype(float)
    healthy = draw_slices(replace(patient, kind=Kind.NOTUMOR), levels, size_px=96)[0].astype(float)
    rows, columns = np.nonzero(np.abs(shown - healthy) > 60)
    return 2 * rows.mean() / shown.shape[0] - 1, 2 * columns.mean() / shown.shape[1] - 1


@pytest.mark.parametrize("index", [0, 1, 4, 5, 8, 9])
def test_anterior_is_at_the_top_and_the_right_side_on_the_left(index: int) -> None:
    patient = draw_patient(seed=0, index=index)
    place_mm = np.linalg.solve(patient.anatomy.matrix, patient.tumor.center_mm - patient.anatomy.shift_mm)

    row, column = tumor_in_picture(patient)

    assert row * 120 == pytest.approx(-place_mm[1], abs=18)
    assert column * 110 == pytest.approx(-place_mm[0], abs=18)


@pytest.mark.parametrize("index", [0, 1, 7])
def test_the_labels_of_a_slice_lie_where_the_tumor_changes_it(index: int) -> None:
    patient = draw_patient(seed=0, index=index)
    levels = survey(patient, num_levels=3).slice_numbers

    labels = slice_labels(patient, levels, size_px=96)

    shown = draw_slices(patient, levels, size_px=96)[1].astype(float)
    healthy = draw_slices(replace(patient, kind=Kind.NOTUMOR), levels, size_px=96)[1].astype(float)
    assert [one.shape for one in labels] == [shown.shape] * 3
    assert (labels[1] > 0)[np.abs(shown - healthy) > 60].mean() > 0.7  # a tumor also pushes aside what is near it
    np.testing.assert_array_equal(slice_labels(patient, levels[1:2], size_px=96)[0], labels[1])


def test_a_slice_without_a_tumor_has_no_labels() -> None:
    patient = draw_patient(seed=0, index=2)
    levels = survey(patient, num_levels=1).slice_numbers

    assert not slice_labels(patient, levels, size_px=96)[0].any()


def test_each_sequence_has_its_own_contrast() -> None:
    scan = scan_brain(draw_patient(0, 0), PhantomSettings(image_size=64, num_slices=30))
    necrotic, edema, enhancing = (scan.labels == label for label in (1, 2, 4))
    healthy = (scan.labels == 0) & (scan.sequences[Sequence.T1] > 0)

    def mean(sequence: Sequence, where: np.ndarray) -> float:
        return float(scan.sequences[sequence][where].mean() / scan.sequences[sequence][healthy].mean())

    assert mean(Sequence.FLAIR, edema) > 1.3
    assert mean(Sequence.T1C, enhancing) > 1.4 > 1.1 > mean(Sequence.T1, enhancing)
    assert mean(Sequence.T1, necrotic) < mean(Sequence.T1, edema) < 1
    assert mean(Sequence.T2, necrotic) > 1.3


def test_ventricles_are_dark_on_flair_and_bright_on_t2() -> None:
    scan = scan_brain(draw_patient(0, 0), PhantomSettings(image_size=96, num_slices=40))
    middle = (slice(38, 58), slice(40, 62), slice(16, 24))
    ratio = {s: np.percentile(v[middle], 5) / np.median(v[v > 0]) for s, v in scan.sequences.items()}

    bright = np.percentile(scan.sequences[Sequence.T2][middle], 99) / np.median(
        scan.sequences[Sequence.T2][scan.sequences[Sequence.T2] > 0]
    )

    assert ratio[Sequence.FLAIR] < 0.4
    assert ratio[Sequence.T1] < 0.5
    assert bright > 1.7
