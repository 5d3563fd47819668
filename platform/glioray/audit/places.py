"""Class and side of each picture by the names of its folders, as the sources of `glioray prepare` take them.

Unlike these, nothing is refused: a picture outside of any class is audited all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from glioray.data.sources._spelling import class_of, key, known_class, side_of
from glioray.errors import DataError

Folders = tuple[str, ...]
Place = tuple[str | None, str | None]
"""side and class"""


@dataclass(frozen=True)
class Places:
    """The side and the class of each picture, and what is odd about them."""

    of: tuple[Place, ...]
    remarks: tuple[str, ...]


def place(pictures: Sequence[Folders]) -> Places:
    """Of the folders above each picture, the outermost first.

    The class is the first folder below the side, or the outermost one; folders below are patients or series. A folder
    around all others is no class. Where the side stands below the class, it is taken too.
    """
    depth = _wrappers(pictures)
    inner = [folders[depth:] for folders in pictures]
    has_sides = any(folders and side_of(folders[0]) for folders in inner)
    named = [_place(folders, has_sides) for folders in inner]
    classes, remarks = _classes(folder for _, folder in named if folder)
    outside = sum(side is None for side, _ in named) if has_sides else 0
    if outside:
        remarks.append(f"{outside:,} images lie beside the folders of the sides: they have no side and no class.")
    return Places(tuple((side, classes[folder] if folder else None) for side, folder in named), tuple(remarks))


def _wrappers(pictures: Sequence[Folders]) -> int:
    """How many folders lie around the one that holds the classes, or their sides."""
    depth = 0
    while True:
        names = {folders[depth] if len(folders) > depth else None for folders in pictures}
        name = names.pop()
        is_last = not any(len(folders) > depth + 1 for folders in pictures)
        if names or name is None or is_last or known_class(name) or side_of(name):
            return depth
        depth += 1


def _place(folders: Folders, has_sides: bool) -> Place:
    """Side, and the folder that is the class."""
    if not folders:
        return None, None
    first, *below = folders
    if not has_sides:
        return (side_of(below[0]) if below else None), first
    side = side_of(first)
    return side, below[0] if side and below else None


def _classes(folders: Iterable[str]) -> tuple[Mapping[str, str], list[str]]:
    """The class of each folder's name; spellings of one name are one class."""
    classes: dict[str, str] = {}
    joined: dict[str, list[str]] = defaultdict(list)
    remarks = []
    for folder in dict.fromkeys(folders):
        try:
            name = class_of(folder, {}) or folder
        except DataError as error:
            name = folder
            remarks.append(f"`glioray prepare image_folder` would refuse this: {error}")
        classes[folder] = next((known for known in joined if key(known) == key(name)), name)
        joined[classes[folder]].append(folder)
    for name, found in joined.items():
        if len(found) > 1:
            remarks.append(f"{name}: one class, joined from the folders {', '.join(map(repr, sorted(found)))}.")
    return classes, remarks
