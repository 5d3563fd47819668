from __future__ import annotations

import pytest

from glioray.data import sources
from glioray.data.download.datasets import DATASETS, dataset
from glioray.errors import DataError


def test_the_counts_are_those_of_the_published_data_sets() -> None:
    totals = {name: [part.count for part in data.parts] for name, data in DATASETS.items()}
    assert sum(totals["kaggle_mri"]) == 7023
    assert sum(totals["kaggle_mri"][:4]) == 5712
    assert totals["lgg"] == [3929, 3929]
    assert totals["brats2020"] == [369 * 155]


def test_every_data_set_has_a_source_that_reads_it() -> None:
    assert {data.source for data in DATASETS.values()} <= set(sources.names())


def test_the_version_that_was_counted_is_the_one_that_is_asked_for() -> None:
    assert dataset("kaggle_mri").handle == "masoudnickparvar/brain-tumor-mri-dataset/1"
    assert dataset("kaggle_mri").page.endswith("/versions/1")


def test_an_unknown_data_set_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="no data set 'brats' to download; did you mean 'brats2020'"):
        dataset("brats")
