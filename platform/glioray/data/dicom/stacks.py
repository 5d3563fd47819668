"""One series taken apart into stacks: slices of one size and direction, each place once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glioray.data.dicom.geometry import PLANES, SAME_PLACE_MM, along_normal
from glioray.data.dicom.headers import TRAITS, Frame

SAME_DIRECTION = 1e-3
FEWEST_SLICES = 3


@dataclass(frozen=True)
class Stack:
    """Slices in order along their normal. `label` tells it from others of its series; "" where it is alone."""

    frames: tuple[Frame, ...]
    label: str = ""
    problem: str | None = None


def split_stacks(frames: Sequence[Frame]) -> list[Stack]:
    """The stacks of one series; one that cannot be used says why."""
    for frame in frames:
        if problem := _no_place(frame):
            return [Stack(tuple(frames), problem=problem)]
    planes = _by_plane(frames)
    if _are_three_planes(planes):
        problem = "a localizer: three planes at right angles to each other"
        return [Stack(tuple(frames), problem=problem)]
    stacks = []
    for number, plane in enumerate(planes):
        name = "" if len(planes) == 1 else f"stack {number + 1} {_plane_name(plane[0])}"
        stacks += [_judged(stack, name) for stack in _by_trait(plane, TRAITS)]
    return stacks


def _no_place(frame: Frame) -> str | None:
    if frame.position is None or frame.orientation is None or frame.spacing_mm is None:
        return f"{frame.title!r} does not say where its slice lies (position, orientation, pixel spacing)"
    row, column = np.asarray(frame.orientation).reshape(2, 3)
    if max(abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column)) > 0.01:
        return f"{frame.title!r} has no two directions at right angles: {frame.orientation}"
    if not 0.01 <= min(frame.spacing_mm) <= max(frame.spacing_mm) <= 100:
        return f"{frame.title!r} has pixels of {frame.spacing_mm} mm"
    return None


def _by_plane(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of equal size, spacing and direction, in the order in which they are met."""
    planes: list[list[Frame]] = []
    for frame in frames:
        for plane in planes:
            if _same_plane(plane[0], frame):
                plane.append(frame)
                break
        else:
            planes.append([frame])
    return planes


def _same_plane(one: Frame, other: Frame) -> bool:
    if (one.encoding.rows, one.encoding.columns) != (other.encoding.rows, other.encoding.columns):
        return False
    pairs = zip((*_direction(one), *_spacing(one)), (*_direction(other), *_spacing(other)), strict=True)
    return all(abs(a - b) <= SAME_DIRECTION for a, b in pairs)


def _are_three_planes(planes: Sequence[Sequence[Frame]]) -> bool:
    return len(planes) >= 3 and {_plane_name(plane[0]) for plane in planes} == set(PLANES)


def _plane_name(frame: Frame) -> str:
    row, column = np.asarray(_direction(frame)).reshape(2, 3)
    return PLANES[int(np.abs(np.cross(row, column)).argmax())]


def _by_trait(frames: Sequence[Frame], traits: Sequence[str]) -> list[Stack]:
    """Split by the first trait that differs while a place is there twice."""
    ordered = _in_order(frames)
    twice = _same_place(ordered)
    if twice is None:
        return [Stack(tuple(ordered))]
    for number, trait in enumerate(traits):
        parts: dict[str, list[Frame]] = {}
        for frame in frames:
            parts.setdefault(dict(frame.traits).get(trait, ""), []).append(frame)
        if len(parts) > 1 and min(len(part) for part in parts.values()) >= FEWEST_SLICES:
            return [
                Stack(stack.frames, f"{trait}={value} {stack.label}".strip(), stack.problem)
                for value, part in parts.items()
                for stack in _by_trait(part, traits[number + 1 :])
            ]
    one, other = twice
    problem = (
        f"{one.title!r} and {other.title!r} lie at the same place, and neither echo, b-value, time nor acquisition "
        "tells two stacks apart. Keep one of them"
    )
    return [Stack(tuple(ordered), problem=problem)]


def _judged(stack: Stack, name: str) -> Stack:
    problem = stack.problem
    if problem is None and len(stack.frames) < FEWEST_SLICES:
        problem = f"only {len(stack.frames)} slices (a localizer?); a volume has at least {FEWEST_SLICES}"
    return Stack(stack.frames, f"{name} {stack.label}".strip(), problem)


def _in_order(frames: Sequence[Frame]) -> list[Frame]:
    distances = _distances(frames)
    return [frames[place] for place in np.argsort(distances, kind="stable")]


def _same_place(ordered: Sequence[Frame]) -> tuple[Frame, Frame] | None:
    """The first two neighbors at one place."""
    near = np.flatnonzero(np.diff(_distances(ordered)) < SAME_PLACE_MM)
    return (ordered[near[0]], ordered[near[0] + 1]) if len(near) else None


def _distances(frames: Sequence[Frame]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    distances: np.ndarray[tuple[int], np.dtype[np.float64]] = along_normal(
        np.array([frame.position for frame in frames], dtype=np.float64), _direction(frames[0])
    )
    return distances


def _direction(frame: Frame) -> tuple[float, ...]:
    return frame.orientation or ()


def _spacing(frame: Frame) -> tuple[float, ...]:
    return frame.spacing_mm or ()
