"""What was uploaded, to a volume: which reader takes which bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from glioray.data.archive_memory import unpack_in_memory
from glioray.data.nifti_file import is_nifti
from glioray.data.scan_file import MemoryFile
from glioray.data.sequence_names import sequence_of
from glioray.serving.kinds import kind_of
from glioray.serving.upload import Sent
from glioray.serving.volume_array import read_array, read_arrays
from glioray.serving.volume_dicom import read_study
from glioray.serving.volume_file import ScannedVolume
from glioray.serving.volume_nifti import read_one, read_sequences
from glioray.serving.volume_settings import Limits

ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
BETWEEN_WORDS = re.compile(r"[\s._/-]+")
MASKS = ("seg", "segm", "mask")


def read_volume(sent: Sent, channels: Sequence[str], limits: Limits) -> ScannedVolume:
    """The channels of a model, in its order, on one grid.

    Raises:
        ModelError: the model has other channels.
        DataError: the files do not fit each other, or are too large.
        UnreadableError: a file is damaged.
    """
    if not sent.is_one_file:
        files = [(part, MemoryFile(upload.name, upload.content)) for part, upload in sent.parts.items()]
        return read_sequences(files, channels, limits)
    (upload,) = sent.parts.values()
    file = MemoryFile(upload.name, upload.content)
    kind = kind_of(upload.content)
    if kind == "zip":
        members = unpack_in_memory(file.content, file.path, limits.members, limits.unpacked_bytes)
        return read_members(members, file.path, channels, sent.order, limits)
    if kind == "nifti":
        return read_one(file, channels, sent.order, limits)
    if kind == "array":
        return read_array(upload.content, upload.name, channels, sent.order, limits)
    return read_study({upload.name: file}, channels, limits)


def read_members(
    members: Mapping[str, bytes], place: str, channels: Sequence[str], order: Sequence[str], limits: Limits
) -> ScannedVolume:
    """The files of a zip or of a folder, by their names in it; a NIfTI named `seg` or `mask` is passed over.

    Raises as `read_volume`; `place` is what errors call the zip or folder.
    """
    if members and all(name.endswith(".npy") for name in members):
        return read_arrays(members, place, channels, order, limits)
    files = {name: MemoryFile(name, content) for name, content in members.items()}
    volumes = {name: member for name, member in files.items() if is_nifti(member.content)}
    if not volumes:
        return read_study(files, channels, limits)
    if len(volumes) == 1:
        return read_one(next(iter(volumes.values())), channels, order, limits)
    named = [(_last_word(name), member) for name, member in volumes.items() if not is_mask_name(name)]
    return read_sequences(named, channels, limits)


def is_mask_name(name: str) -> bool:
    """Whether a file's name says that it holds the true labels and no sequence."""
    return _last_word(name).lower() in MASKS


def _last_word(name: str) -> str:
    """The sequence in the name of a file: of `BraTS-GLI-00000-000-t1c.nii.gz` it is `t1c`, of LGG's `post_contrast`."""
    words = BETWEEN_WORDS.split(ENDING.sub("", name))
    two = "_".join(words[-2:])
    return two if sequence_of(two) != two.lower() else words[-1]
