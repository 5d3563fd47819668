"""Any folder of picture files as something to audit; classes and sides are taken from the names of folders."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glioray.audit.pictures import Picture, Pictures, margins, pixel_hash, small
from glioray.audit.places import Place, place
from glioray.data.duplicates import copy_views
from glioray.data.image_file import FORMATS, decode_image
from glioray.data.preprocessing import Preprocessing, prepare_volume
from glioray.data.progress import OnProgress
from glioray.data.records import Refused
from glioray.data.runners import in_order
from glioray.data.sources._class_tree import LITTER, SUFFIXES
from glioray.errors import DataError, UnreadableError

MODES = ("L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I", "F")
PREPROCESSING = Preprocessing(image_size=128, crop_head=True, intensity="percentile")
MOST_WORKERS = 8


@dataclass(frozen=True)
class _Seen:
    picture: Picture
    views: NDArray[np.float32]


def read_folder(root: Path, tell: OnProgress) -> Pictures:
    """Every picture file below ROOT, each read once and prepared as `kaggle_mri` would.

    Raises:
        DataError: there is no picture, or none that can be read.
    """
    files, others = _files(root)
    if not files:
        raise DataError(f"{root}: no picture in it ({', '.join(SUFFIXES)}). Give a folder of images or a prepared one.")
    places = place([path.relative_to(root).parts[:-1] for path in files])
    seen, refused = [], []
    for done, result in enumerate(_read_all(root, files, places.of)):
        if isinstance(result, Refused):
            refused.append(result)
        else:
            seen.append(result)
        tell("read", done + 1, len(files))
    if not seen:
        raise DataError(f"{root}: none of {len(files)} pictures could be read. The first: {refused[0].reason}")
    rows = [one.picture for one in seen]
    return Pictures(
        what="folder of images",
        rows=rows,
        views=np.concatenate([one.views for one in seen], axis=1),
        refused=tuple(refused),
        remarks=_remarks(others) + places.remarks,
        draw=lambda wanted: {index: _draw(root, rows[index]) for index in wanted},
    )


def _files(root: Path) -> tuple[list[Path], int]:
    """Picture files in order, and how many others there are; hidden ones and linked folders are passed over."""
    found, others = [], 0
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in LITTER)
        for name in sorted(name for name in files if not name.startswith(".")):
            is_picture = name.lower().endswith(SUFFIXES)
            found += [Path(folder) / name] if is_picture else []
            others += not is_picture
    return found, others


def _remarks(others: int) -> tuple[str, ...]:
    return (f"{others} files are no pictures by their name and were not looked at.",) if others else ()


def _read_all(root: Path, files: Sequence[Path], places: Sequence[Place]) -> Iterator[_Seen | Refused]:
    """In the order of the files, by threads."""

    def read(file: tuple[Path, Place]) -> _Seen | Refused:
        path, its_place = file
        try:
            return _read(root, path, its_place)
        except UnreadableError as error:
            return Refused(source=path.relative_to(root).as_posix(), reason=str(error))

    return in_order(read, zip(files, places, strict=True), min(MOST_WORKERS, os.cpu_count() or 1))


def _read(root: Path, path: Path, its_place: Place) -> _Seen:
    name = path.relative_to(root).as_posix()
    if not path.resolve().is_relative_to(root.resolve()):
        raise UnreadableError(f"{name}: a link that leads out of the folder; it is not followed.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{name}: cannot be read ({error.strerror}).") from None
    image = decode_image(content, name)
    prepared = prepare_volume(image[None], PREPROCESSING).image[:, 0]
    side, label = its_place
    picture = Picture(
        name=name,
        label=label,
        side=side,
        patient=None,
        file_hash=hashlib.sha256(content).hexdigest(),
        pixel_hash=pixel_hash(image),
        before=_before(image[0], content),
        after=margins(prepared[0]),
    )
    return _Seen(picture, copy_views(image, prepared))


def _before(image: NDArray[np.uint8], content: bytes) -> dict[str, float]:
    height, width = image.shape
    with Image.open(io.BytesIO(content)) as opened:
        format_, mode = str(opened.format), opened.mode
    size = {"width": float(width), "height": float(height), "aspect": width / height}
    kind = {"file format": _number(format_, FORMATS), "color mode": _number(mode, MODES)}
    return size | margins(image) | kind


def _number(name: str, known: Sequence[str]) -> float:
    return float(known.index(name) if name in known else len(known))


def _draw(root: Path, row: Picture) -> NDArray[np.uint8]:
    return small(decode_image((root / row.name).read_bytes(), row.name)[0])
