"""The law of the phantom is found again from its masks, as far as its noise lets anybody."""

from __future__ import annotations

import numpy as np

from glioray.data.phantom import PhantomSettings
from glioray.data.phantom.images import true_mask
from glioray.data.phantom.patient import draw_patient
from glioray.data.phantom.survival import NOISE, draw_course
from glioray.data.records import Contents
from glioray.data.sources.phantom import LABELS, REGIONS
from glioray.survival.features import Box, Parts, measure
from glioray.survival.lines import Cases, predict_lines
from glioray.survival.models import CANDIDATES
from glioray.survival.patients import Cohort, Patient
from glioray.survival.result import SurvivalReport

SETTINGS = PhantomSettings(image_size=40, num_slices=16)
SPACING_MM = (10.0, 6.0, 6.0)  # 160 mm of height and 240 mm of width
PARTS = Parts.of(Contents(task="segmentation", channels=("flair",), labels=LABELS, regions=REGIONS, citation="toy"))
NUM_PATIENTS = 96


def test_the_law_of_the_phantom_is_found_from_masks_and_not_from_age(silent) -> None:
    patients, features = [], []
    for index in range(0, 4 * NUM_PATIENTS, 4):
        drawn = draw_patient(2, index)
        labels, brain = (values.transpose(2, 1, 0)[:, ::-1, ::-1] for values in true_mask(drawn, SETTINGS))
        box = Box.around(brain)
        assert box is not None
        features.append(measure(labels, SPACING_MM, box, PARTS))
        course = draw_course(drawn.seed, features[-1]["TC_ml"])
        patients.append(Patient(drawn.patient_id, course.age_years, course.days, not course.is_alive, course.resection))
    ids = tuple(patient.patient_id for patient in patients)
    cases = Cases(Cohort(tuple(patients), ()), ids, tuple(features), (None,) * NUM_PATIENTS)
    quick = {name: CANDIDATES[name] for name in ("ridge, alpha 10", "lasso, alpha 0.02", "lasso, alpha 0.05")}
    lines = predict_lines(cases, 0, silent, quick)

    about = {"synthetic": True, "citation": "toy", "scans": None, "table": "toy", "bundles": ()}
    found = SurvivalReport.of(cases, lines, about, 0)
    r2 = found.line("masks").score("r2_log_days")
    log_days = np.log([patient.days for patient in patients if patient.has_died])
    assert 0.5 < r2.value < 1 - NOISE**2 / log_days.var()  # which is what the law itself would come to, 0.71
    assert r2.low > 0.35
    assert found.line("age_line").score("r2_log_days").high < r2.value
    assert found.difference("masks", "age_line").verdict == "better"
