"""Brain Tumor MRI Dataset (Kaggle masoudnickparvar/brain-tumor-mri-dataset).

    ROOT/{Training,Testing}/{glioma,meningioma,notumor,pituitary}/*.jpg

Names lie about formats (some .jpg are PNG), modes are L, RGB, RGBA and P, and no patient is named.
"""

from __future__ import annotations

from pathlib import Path

from glioray.data.image_file import decode_image
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume, Side, TaskName
from glioray.data.sources._class_tree import SUFFIXES, is_image
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.errors import DataError

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
FOLDERS: dict[str, Side] = {"Testing": "test", "Training": "train"}
Options = SourceOptions
OFFERED: tuple[TaskName, ...] = ("classification",)


def describe(scans: RawScans[Options]) -> Contents:
    """Four classes of single grey slices."""
    return Contents(
        task=only(scans.task, OFFERED, "kaggle_mri"),
        channels=("grey",),
        classes=CLASSES,
        citation="Brain Tumor MRI Dataset, M. Nickparvar, Kaggle 2021, doi:10.34740/kaggle/dsv/2645886 (CC0); "
        "from Figshare (Cheng 2017, CC BY 4.0), SARTAJ and Br35H",
    )


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """The head cut out, since size and margins give the class away."""
    only(scans.task, OFFERED, "kaggle_mri")
    return Preprocessing(image_size=128, crop_head=True, intensity="percentile")


def find(scans: RawScans[Options]) -> Found:
    """One case an image, in the order of side, class and name."""
    only(scans.task, OFFERED, "kaggle_mri")
    root = scans.root
    need_folder(root)
    present = [name for name in sorted(FOLDERS) if (root / name).is_dir()]
    if not present:
        raise DataError(f"{root}: neither 'Training' nor 'Testing' is in it. Wanted: {_layout(root)}")
    return Found([case for name in present for case in _side(root, name)])


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """The image as one grey slice."""
    (path,) = case.files
    name = scans.name(path)
    return RawVolume(decode_image(path.read_bytes(), name)[None], None, (name,), (0,))


def _side(root: Path, folder: str) -> list[Case]:
    cases = []
    for label, class_name in enumerate(CLASSES):
        place = root / folder / class_name
        if not place.is_dir():
            raise DataError(
                f"{root / folder}: the class folder {class_name!r} is missing. Wanted: {_layout(root)}. "
                "Any other class folders are read by the source 'image_folder'."
            )
        files = sorted(filter(is_image, place.iterdir()))
        if not files:
            raise DataError(f"{place}: no image in it ({', '.join(SUFFIXES)}). Wanted: {_layout(root)}")
        cases += [
            Case(f.relative_to(root).as_posix(), (f,), label=label, published_side=FOLDERS[folder]) for f in files
        ]
    return cases


def _layout(root: Path) -> str:
    return f"{root}/{{Training,Testing}}/{{{','.join(CLASSES)}}}/*.jpg"
