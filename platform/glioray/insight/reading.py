"""What a person names, to what a model is asked: an image file, a volume, or the folder of a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from glioray.errors import GliorayError, ModelError, RequestError
from glioray.insight.files import content_of, members_of
from glioray.insight.subject import Labels, Subject
from glioray.insight.truth import known_labels, true_label, true_mask, volume_values
from glioray.serving import drawing
from glioray.serving.kinds import is_volume
from glioray.serving.predictor import Predictor
from glioray.serving.upload import FILE, Sent, Upload
from glioray.serving.volume_reading import is_mask_name, read_members, read_volume
from glioray.serving.volume_settings import VolumeArgs

LIMITS = VolumeArgs().limits
UNPROVED = "a file by itself: nothing proves that the model has not learned from it"


def read_subjects(predictor: Predictor, files: Sequence[Path], truths: Sequence[str]) -> list[Subject]:
    """Each file or folder with its truth, where one is given: a mask's file, or of a classifier a class.

    Raises:
        RequestError: truths are given, but not one for each file.
        GliorayError: a file cannot be read or does not fit the model; the text names it.
    """
    if truths and len(truths) != len(files):
        raise RequestError(f"--truth is given {len(truths)} times for {len(files)} images; give one for each, in order")
    return [_read(predictor, file, truths[place] if truths else None) for place, file in enumerate(files)]


def _read(predictor: Predictor, file: Path, truth: str | None) -> Subject:
    config, members = predictor.config, members_of(file, LIMITS) if file.is_dir() else None
    channels = config.contents.channels
    content = b"" if members is not None else content_of(file)
    has_slices = members is not None or is_volume(content, str(file))
    if has_slices and config.contents.task == "classification":
        raise ModelError(f"{file}: is a volume, and {config.architecture} answers for one image; give a slice of it")
    with _named(file):
        if members is not None:
            raw = read_members(members, str(file), channels, (), LIMITS).image
        elif has_slices:
            raw = read_volume(Sent({FILE: Upload(content, str(file))}), channels, LIMITS).image
        else:
            raw = predictor.decode(content, str(file))[None]
        slices = predictor.prepare_slices(raw)
    grey = drawing.grey(raw[:, channels.index(drawing.shown(channels))])
    if config.contents.task == "classification":
        label = true_label(truth, config) if truth else None
        return Subject(file.name, slices, grey, label=label, about=UNPROVED if label else "")
    mask = true_mask(Path(truth), config, grey.shape) if truth else _mask_among(members or {}, predictor, grey)
    return Subject(file.name, slices, grey, mask=mask, about="" if mask is None else UNPROVED)


def _mask_among(members: dict[str, bytes], predictor: Predictor, grey: NDArray[Any]) -> Labels | None:
    """That which a case's folder has beside its sequences, where it lies on their grid."""
    for name, content in members.items():
        if is_mask_name(name):
            values = volume_values(content, name)
            return known_labels(values, predictor.config, name) if values.shape == grey.shape else None
    return None


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors within it say which file they are of."""
    try:
        yield
    except GliorayError as error:
        text = str(error)
        raise type(error)(text if str(file) in text else f"{file}: {text}") from None
