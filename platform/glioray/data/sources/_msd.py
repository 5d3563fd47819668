"""Task01_BrainTumour of the Medical Segmentation Decathlon: BraTS 2016/17 with all sequences in one file.

dataset.json                    names the sequences and the labels, in orders of its own
imagesTr/BRATS_001.nii.gz       (X, Y, Z, 4)
labelsTr/BRATS_001.nii.gz
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.archive import inside
from glioray.data.records import Case, Found, Refused
from glioray.data.sequence_names import SPELLINGS as SPELLINGS_OF_IMAGES
from glioray.data.sources._brats import CHANNELS, LABELS, count_labels
from glioray.data.sources._contract import RawScans
from glioray.errors import UnreadableError
from glioray.plain_values import from_json

RECORD_NAME = "dataset.json"
MOST_RECORD_BYTES = 2**22
CITATION = (
    "Medical Segmentation Decathlon, Task01_BrainTumour, Antonelli 2022, doi:10.1038/s41467-022-30695-9 (CC BY-SA 4.0);"
    " from BraTS 2016 and 2017"
)
SPELLINGS = {
    **SPELLINGS_OF_IMAGES,
    "necrotic": ("non-enhancing tumor", "non-enhancing tumour", "necrotic"),
    "edema": ("edema", "oedema"),
    "enhancing": ("enhancing tumor", "enhancing tumour", "enhancing"),
    "background": ("background",),
}
MEANING = {spelling: meaning for meaning, spellings in SPELLINGS.items() for spelling in spellings}


@dataclass(frozen=True)
class MsdRecord:
    """What dataset.json says: where each of our channels stands, and our label for each of theirs."""

    channel_places: tuple[int, ...]
    label_values: tuple[int, ...]

    def to_ours(self, values: NDArray[Any], name: str) -> NDArray[np.uint8]:
        """(...) uint8 in our labels, from theirs.

        Raises:
            UnreadableError: a value that dataset.json does not name.
        """
        labels, _ = count_labels(values, len(self.label_values) - 1, name)
        return np.array(self.label_values, dtype=np.uint8)[labels]


def msd_folder(root: Path) -> Path | None:
    """The folder of the decathlon's layout: the root, or one in it."""
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        if (folder / RECORD_NAME).is_file() and (folder / "imagesTr").is_dir():
            return folder
    return None


def find_msd(scans: RawScans[Any], folder: Path) -> Found:
    """One case an image of imagesTr, its mask beside it in labelsTr.

    Raises:
        UnreadableError: dataset.json does not tell the sequences and the labels.
    """
    record = folder / RECORD_NAME
    read_record(scans, record)
    cases, refused = [], []
    for image in _images(folder / "imagesTr"):
        mask = folder / "labelsTr" / image.name
        if mask.is_file():
            case_id = image.name.partition(".")[0]
            cases.append(Case(case_id, (image, mask, record), patient_id=case_id))
        else:
            reason = f"no mask: {scans.name(mask)!r} is missing; fetch it again, or leave the image out"
            refused.append(Refused(source=scans.name(image), reason=reason))
    return Found(cases, refused, _remarks(scans, folder / "imagesTs"))


def read_record(scans: RawScans[Any], path: Path) -> MsdRecord:
    """The orders that dataset.json gives.

    Raises:
        UnreadableError: it cannot be read, or names other sequences or labels than BraTS has.
    """
    name = scans.name(path)
    try:
        if not inside(scans.root, path) or path.stat().st_size > MOST_RECORD_BYTES:
            raise ValueError("a link that leads out of the folder, or of more than 4 MB")
        record = from_json(path.read_text(encoding="utf-8"))
        channels, labels = _in_order(record["modality"]), _in_order(record["labels"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UnreadableError(f"{name}: not the record of Task01_BrainTumour ({reason}).") from None
    if sorted(channels) != sorted(CHANNELS) or labels[:1] != ["background"] or sorted(labels[1:]) != sorted(LABELS):
        raise UnreadableError(
            f"{name}: it names the sequences {channels} and the labels {labels}; wanted FLAIR, T1w, t1gd and T2w, and "
            "background, edema, non-enhancing tumor and enhancing tumour."
        )
    places = tuple(channels.index(channel) for channel in CHANNELS)
    return MsdRecord(places, (0, *(LABELS[label] for label in labels[1:])))


def _in_order(named: Any) -> list[str]:
    """What 0, 1, 2 and so on mean, in our words where we know theirs."""
    if not isinstance(named, dict):
        raise TypeError(f"{type(named).__name__}, wanted a name for each number")
    numbers = sorted(named, key=int)
    if [int(number) for number in numbers] != list(range(len(numbers))):
        raise ValueError(f"numbers {numbers}; wanted 0, 1, 2 and so on")
    return [MEANING.get(str(named[number]).strip().lower(), str(named[number])) for number in numbers]


def _images(folder: Path) -> list[Path]:
    """Without the ._ files that a Mac left in the archive."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
    )


def _remarks(scans: RawScans[Any], tests: Path) -> list[Refused]:
    images = _images(tests)
    if not images:
        return []
    reason = f"{len(images)} test images without masks, not used: nothing can be learned from them"
    return [Refused(source=scans.name(tests), reason=reason)]
