"""One phantom patient, and what a scan of any planes of the head shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glioray.data.phantom import atlas, growth
from glioray.data.phantom.anatomy import Anatomy, Brain, sample_brain
from glioray.data.phantom.grid import Floats, PlaneGrid
from glioray.data.phantom.growth import TumorParts
from glioray.data.phantom.sequences import Scanner
from glioray.data.phantom.tumor import Kind, Tumor, draw_tumor


@dataclass(frozen=True)
class Patient:
    """A head, its tumor, and the scanner it lay in.

    A patient of kind notumor has a `tumor` too: it is never shown, but its place decides which levels are, so
    that the level of a slice does not give away the class. `seed` is the phantom's, then the patient's index.
    """

    patient_id: str
    kind: Kind
    anatomy: Anatomy
    tumor: Tumor
    scanner: Scanner
    seed: tuple[int, int]


@dataclass(frozen=True)
class View:
    """A patient on a grid; `parts` is None without a tumor. Fields are (..., X, Y, Z)."""

    grid: PlaneGrid
    points_mm: Floats
    brain: Brain
    parts: TumorParts | None


def draw_patient(seed: int, index: int) -> Patient:
    """Patient `index` (from 0) of the phantom with this seed; kinds follow one another."""
    kinds = list(Kind)
    kind = kinds[index % len(kinds)]
    rng = np.random.default_rng([seed, index])
    others = [k for k in kinds if k is not Kind.NOTUMOR]
    grown_as = others[(index // len(kinds)) % len(others)] if kind is Kind.NOTUMOR else kind
    return Patient(
        patient_id=f"PHANTOM_{index + 1:04d}",
        kind=kind,
        anatomy=Anatomy.draw(rng),
        tumor=draw_tumor(rng, grown_as),
        scanner=Scanner.draw(rng),
        seed=(seed, index),
    )


def look(patient: Patient, grid: PlaneGrid, imagined: bool = False) -> View:
    """Brain and tumor of the patient on the grid; with `imagined`, also the tumor that notumor has not."""
    points_mm = patient.anatomy.template_mm(grid)
    distance_mm = atlas.load_atlas().head.at(points_mm, num_channels=1)[0]
    if patient.kind is Kind.NOTUMOR and not imagined:
        return View(grid, points_mm, sample_brain(patient.anatomy, grid, points_mm, distance_mm), None)
    origin_mm = growth.displace(patient.tumor, points_mm, distance_mm)
    brain = sample_brain(patient.anatomy, grid, origin_mm, distance_mm)
    parts = growth.grow(patient.tumor, grid, points_mm, brain.tissues, distance_mm)
    return View(grid, points_mm, brain, parts)
