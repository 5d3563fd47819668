"""How long a synthetic patient with a glioma lives: a law for a model of survival to find again.

    ln(days) = ln(420) - 0.25 (age - 60) / 10 - 0.6 ln(core / 20 ml) - 0.3 [not wholly resected] + 0.3 z

`core` is what is necrotic or enhancing, on the 2 mm grid of the survey, so that the size of the images changes nothing;
z is standard normal. One patient in ten lives when last heard of. SYNTHETIC: the signs are those of glioblastoma, the
figures are invented.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TABLE_NAME = "survival_info.csv"
TABLE_HEAD = "Patient_ID,Age,Survival_days,Extent_of_Resection"
TYPICAL_DAYS, TYPICAL_AGE_YEARS, TYPICAL_CORE_ML = 420.0, 60.0, 20.0
PER_DECADE, PER_LOG_CORE, NOT_WHOLLY_RESECTED, NOISE = -0.25, -0.6, -0.3, 0.3
ALIVE_SHARE = 0.1
RESECTIONS = {"GTR": 0.6, "STR": 0.25, "NA": 0.15}
SMALLEST_CORE_ML = 0.1
STREAM = 3  # of a patient's random numbers; 1 and 2 are the images


@dataclass(frozen=True)
class Course:
    """What a survival table says of a patient: `days` to death, or of a patient who lived then."""

    age_years: float
    days: int
    is_alive: bool
    resection: str

    def line(self, patient_id: str) -> str:
        """As in the table of BraTS 2020."""
        days = f"ALIVE ({self.days} days later)" if self.is_alive else str(self.days)
        return f"{patient_id},{self.age_years},{days},{self.resection}"


def draw_course(seed: tuple[int, int], core_volume_ml: float) -> Course:
    """The course of the patient with this seed: the phantom's, and the patient's index."""
    rng = np.random.default_rng([*seed, STREAM])
    age_years = round(float(rng.uniform(38, 80)), 3)
    resection = str(rng.choice(list(RESECTIONS), p=list(RESECTIONS.values())))
    mean = expected_log_days(age_years, core_volume_ml, resection)
    days = max(round(math.exp(mean + NOISE * float(rng.standard_normal()))), 1)
    is_alive = bool(rng.random() < ALIVE_SHARE)
    heard_of = float(rng.uniform(0.3, 1.0))
    return Course(age_years, max(round(days * heard_of), 1) if is_alive else days, is_alive, resection)


def expected_log_days(age_years: float, core_volume_ml: float, resection: str) -> float:
    """ln(days) without the noise."""
    return (
        math.log(TYPICAL_DAYS)
        + PER_DECADE * (age_years - TYPICAL_AGE_YEARS) / 10
        + PER_LOG_CORE * math.log(max(core_volume_ml, SMALLEST_CORE_ML) / TYPICAL_CORE_ML)
        + NOT_WHOLLY_RESECTED * (resection != "GTR")
    )


def core_ml(volume_ml: Mapping[str, float]) -> float:
    """Necrotic and enhancing parts together, from volumes by label."""
    return volume_ml.get("1", 0.0) + volume_ml.get("4", 0.0)
