"""Names of folders as they are found in the wild, and the classes and sides that they mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from glioray.data.records import Side
from glioray.errors import DataError

SPELLINGS: dict[str, tuple[str, ...]] = {
    "glioma": ("gliomas", "glioma tumor", "glioma tumour", "brain glioma"),
    "meningioma": ("meningiomas", "meningioma tumor", "meningioma tumour", "brain meningioma", "brain menin", "menin"),
    "notumor": (
        *("no tumor", "no tumour", "no tumors", "no tumours", "non tumor", "non tumour", "no brain tumor"),
        *("normal", "normal brain", "brain normal", "healthy", "healthy brain", "no"),
    ),
    "pituitary": ("pituitary tumor", "pituitary tumour", "pituitary tumors", "pituitary adenoma", "brain pituitary"),
    "tumor": ("tumour", "tumors", "tumours", "brain tumor", "brain tumour", "yes"),
}
SIDE_SPELLINGS: dict[Side, tuple[str, ...]] = {
    "train": ("train", "training", "train set", "training set"),
    "val": ("val", "valid", "validation", "validation set"),
    "test": ("test", "testing", "test set", "testing set"),
}
# A folder of these holds pictures and their masks: a segmentation data set, whose classes are not its folders.
SEGMENTATION = ("image", "images", "img", "imgs", "mask", "masks", "label", "labels", "annotations", "ground truth")
CLOSE = 0.85


def key(name: str) -> str:
    """What two spellings of one name share: case, spaces, underscores and hyphens are no part of it."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def known_class(folder: str) -> str | None:
    """The canonical class that a folder's name is a spelling of."""
    return _BY_KEY.get(key(folder))


def side_of(folder: str) -> Side | None:
    """The side that a folder's name is a spelling of."""
    return next((side for side, names in SIDE_SPELLINGS.items() if key(folder) in map(key, names)), None)


def class_of(folder: str, chosen: Mapping[str, str | None]) -> str | None:
    """The class of a folder: what was chosen, else what the table says, else its own name; none leaves it out.

    Raises:
        DataError: it is one letter or two from a known spelling, or the name of one half of a segmentation data set.
    """
    choices = {key(name): class_name for name, class_name in chosen.items()}
    if key(folder) in choices:
        class_name = choices[key(folder)]
        canonical = {key(name): name for name in SPELLINGS}
        return None if class_name is None else canonical.get(key(class_name), class_name)
    if known := known_class(folder):
        return known
    if is_in(folder, SEGMENTATION):
        raise DataError(
            f"folder {folder!r} is no class but one half of a segmentation data set. "
            f"If it is a class here, say so: -o classes={{{folder}: NAME}}; {{{folder}: null}} leaves it out."
        )
    if near := difflib.get_close_matches(key(folder), _BY_KEY, n=1, cutoff=CLOSE):
        class_name = _BY_KEY[near[0]]
        raise DataError(
            f"folder {folder!r} is close to a spelling of a known class; did you mean {class_name!r}? "
            f"Rename it, or say what it is: -o classes={{{folder}: {class_name}}}"
        )
    return folder


def is_in(name: str, names: Iterable[str]) -> bool:
    """Whether a name is one of them, in any spelling."""
    return key(name) in map(key, names)


_BY_KEY = {key(name): class_name for class_name, names in SPELLINGS.items() for name in (class_name, *names)}
