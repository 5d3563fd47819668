"""A tree of class folders: which images it holds, of which class and side, and what of it is not used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glioray.data.records import Refused, Side
from glioray.data.sources._spelling import class_of, key, known_class, side_of
from glioray.errors import DataError, did_you_mean

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
LAYOUT = "<class>/*.png, or {Training,Testing}/<class>/*.png"


@dataclass(frozen=True)
class TreeImage:
    """An image file, and what its folders say of it."""

    path: Path
    class_name: str
    side: Side | None


@dataclass
class ClassTree:
    """What was found below `root`; `folders` are the names of each class's folders, in any side."""

    root: Path
    images: list[TreeImage] = field(default_factory=list)
    folders: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    remarks: list[Refused] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted, since the place of a class is its number."""
        return tuple(sorted(self.folders))

    def remark(self, path: Path, reason: str) -> None:
        """Notes a part of the tree that is not used."""
        self.remarks.append(Refused(source=path.relative_to(self.root).as_posix(), reason=reason))


def read_tree(root: Path, chosen: Mapping[str, str | None]) -> ClassTree:
    """All images below class folders, in the order of side, folder and path.

    Args:
        root: may also be a folder around the one that holds the class folders, or their sides.
        chosen: folder -> class, before the table of spellings; none leaves a folder out.

    Raises:
        DataError: fewer than two classes, a class folder without an image or with another class in it, a name
            that is almost a known one, or a choice for a folder that is not there.
    """
    tree = ClassTree(root)
    places = _places(tree, _unwrapped(root, chosen))
    folders = [(folder, side) for place, side in places for folder in _folders(place)]
    _check_choices(root, chosen, {folder.name for folder, _ in folders})
    for folder, side in folders:
        _add_class(tree, folder, side, chosen)
    _check_classes(tree)
    return tree


def is_image(path: Path) -> bool:
    """Whether a file's name is that of a picture; hidden ones are some program's own."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _unwrapped(folder: Path, chosen: Mapping[str, str | None]) -> Path:
    """The folder itself, or the one that it is only a wrapper of, as archives often have one."""
    inner = _folders(folder)
    if len(inner) != 1 or any(map(is_image, _entries(folder))):
        return folder
    is_class = known_class(inner[0].name) or key(inner[0].name) in map(key, chosen)
    is_last = is_class or side_of(inner[0].name) or not _folders(inner[0])
    return folder if is_last else _unwrapped(inner[0], chosen)


def _places(tree: ClassTree, base: Path) -> list[tuple[Path, Side | None]]:
    """The folders that hold class folders, with their sides: the sides' folders where there are such."""
    inner = _folders(base)
    sides = [folder for folder in inner if side_of(folder.name)]
    for place in (base, *sides):
        _remark_unused(tree, place)
    if not sides:
        return [(base, None)]
    names = ", ".join(repr(folder.name) for folder in sides)
    for folder in inner:
        if folder not in sides:
            tree.remark(folder, f"lies beside {names} and is no side: not used")
    return [(folder, side_of(folder.name)) for folder in sides]


def _folders(place: Path) -> list[Path]:
    """The visible folders in a place, sorted; links to folders are not followed."""
    return [path for path in _entries(place) if path.is_dir() and not path.is_symlink() and not _is_litter(path)]


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError as error:
        raise DataError(f"{place}: cannot be listed ({error.strerror}).") from None


def _remark_unused(tree: ClassTree, place: Path) -> None:
    """What lies in a place of class folders and is none."""
    entries = _entries(place)
    for path in entries:
        if path.is_symlink() and path.is_dir():
            _remark_link(tree, path)
        elif path.is_dir() and _is_litter(path):
            tree.remark(path, "a folder of some program's own: not used")
    loose = [path.name for path in entries if is_image(path)]
    if loose:
        tree.remark(place, f"{len(loose)} images lie outside any class folder, {loose[0]!r} first: not used")


def _remark_link(tree: ClassTree, path: Path) -> None:
    tree.remark(path, f"a link to the folder {str(path.readlink())!r}: links to folders are not followed")


def _check_choices(root: Path, chosen: Mapping[str, str | None], present: set[str]) -> None:
    for asked in chosen:
        if key(asked) not in map(key, present):
            raise DataError(f"{root}: option classes names {asked!r}, no folder of it{did_you_mean(asked, present)}")


def _add_class(tree: ClassTree, folder: Path, side: Side | None, chosen: Mapping[str, str | None]) -> None:
    try:
        class_name = class_of(folder.name, chosen)
    except DataError as error:
        raise DataError(f"{folder.parent}: {error}") from None
    if class_name is None:
        tree.remark(folder, "left out by option classes")
        return
    class_name = next((known for known in tree.folders if key(known) == key(class_name)), class_name)
    files = list(_walk(tree, folder, class_name))
    images = [path for path in files if is_image(path)]
    others = [path.name for path in files if not is_image(path)]
    if not images:
        raise DataError(
            f"{folder}: no image in it ({', '.join(SUFFIXES)}), so it is no class. "
            f"Remove it, or leave it out: -o classes={{{folder.name}: null}}"
        )
    if others:
        tree.remark(folder, f"{len(others)} files are no images by name, {others[0]!r} first: not used")
    tree.folders[class_name].add(folder.name)
    tree.images += [TreeImage(path, class_name, side) for path in images]


def _walk(tree: ClassTree, folder: Path, class_name: str) -> Iterator[Path]:
    """All visible files below a class folder, sorted; a folder in it may be a patient's, but no other class."""
    for path in _entries(folder):
        if _is_litter(path):
            continue
        if not path.is_dir():
            yield path
        elif path.is_symlink():
            _remark_link(tree, path)
        elif known_class(path.name) not in (None, class_name):
            raise DataError(
                f"{folder}: the class folder {path.name!r} lies in it, so it is not clear which class its images have. "
                f"Give it as the folder of the scans, or leave it out: -o classes={{{folder.name}: null}}"
            )
        else:
            yield from _walk(tree, path, class_name)


def _check_classes(tree: ClassTree) -> None:
    if len(tree.folders) < 2:
        found = f"one class only, {tree.classes[0]!r}" if tree.folders else "no class folder"
        unused = "".join(f" {remark.source!r}: {remark.reason}." for remark in tree.remarks[:3])
        raise DataError(f"{tree.root}: {found}; wanted two or more: {LAYOUT}.{unused}")
    for class_name, folders in sorted(tree.folders.items()):
        if len(folders) > 1:
            names = ", ".join(map(repr, sorted(folders)))
            tree.remarks.append(Refused(source=class_name, reason=f"one class, joined from the folders {names}"))


def _is_litter(path: Path) -> bool:
    return path.name.startswith(".") or path.name in LITTER
