"""What the data sets are and what must be in them, counted on whole copies."""

from __future__ import annotations

from dataclasses import dataclass

from glioray.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Part:
    """Files that must be there: `count` of them match `pattern` below the data set's folder.

    Where `group` is given, the first group of that expression names what a file belongs to: there are `num_groups`
    of `group_name`, numbered from 1 where their names are numbers, with `each` files (0: any number).
    """

    what: str
    pattern: str
    count: int
    group: str | None = None
    group_name: str = ""
    num_groups: int = 0
    each: int = 0


@dataclass(frozen=True)
class DataSet:
    """One data set of Kaggle.

    `version` is the one that the counts are of; `marks` are the patterns that tell its folder, which an archive may
    wrap in others; `archive_bytes` is about what its zip takes.
    """

    name: str
    source: str
    owner: str
    slug: str
    version: int
    archive_bytes: int
    marks: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def handle(self) -> str:
        """As the `kaggle` package takes it."""
        return f"{self.owner}/{self.slug}/{self.version}"

    @property
    def page(self) -> str:
        """Where a browser finds it."""
        return f"https://www.kaggle.com/datasets/{self.owner}/{self.slug}/versions/{self.version}"

    @property
    def archive_name(self) -> str:
        """As the `kaggle` package names its zip; a browser calls it archive.zip."""
        return f"{self.slug}.zip"


def dataset(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        DataError: there is none; the nearest is suggested.
    """
    if name not in DATASETS:
        raise DataError(f"no data set {name!r} to download{did_you_mean(name, DATASETS)}")
    return DATASETS[name]


_MRI_COUNTS = {
    "Training": {"glioma": 1321, "meningioma": 1339, "notumor": 1595, "pituitary": 1457},
    "Testing": {"glioma": 300, "meningioma": 306, "notumor": 405, "pituitary": 300},
}
# Version 2 of February 2026 holds 7,200 other images, with which no published figure can be compared.
_KAGGLE_MRI = DataSet(
    name="kaggle_mri",
    source="kaggle_mri",
    owner="masoudnickparvar",
    slug="brain-tumor-mri-dataset",
    version=1,
    archive_bytes=156_000_000,
    marks=("Training", "Testing"),
    parts=tuple(
        Part(f"images of {side}/{class_name}", f"{side}/{class_name}/*.jpg", count)
        for side, counts in _MRI_COUNTS.items()
        for class_name, count in counts.items()
    ),
)
_LGG = DataSet(
    name="lgg",
    source="lgg",
    owner="mateuszbuda",
    slug="lgg-mri-segmentation",
    version=2,
    archive_bytes=750_000_000,
    marks=("TCGA_*",),
    parts=(
        Part("slices", "TCGA_*/*[0-9].tif", 3929, r"(TCGA[^/]*)/[^/]*$", "patients", 110),
        Part("masks", "TCGA_*/*_mask.tif", 3929),
    ),
)
_BRATS2020 = DataSet(
    name="brats2020",
    source="brats_h5",
    owner="awsaf49",
    slug="brats2020-training-data",
    version=3,
    archive_bytes=7_300_000_000,
    marks=("volume_*_slice_*.h5",),
    parts=(Part("slices", "volume_*_slice_*.h5", 57195, r"volume_(\d+)_slice_\d+\.h5$", "volumes", 369, 155),),
)
DATASETS = {entry.name: entry for entry in (_KAGGLE_MRI, _BRATS2020, _LGG)}
