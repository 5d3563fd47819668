from __future__ import annotations

import pytest

from glioray.data import sources
from glioray.data.records import Contents
from glioray.errors import DataError


def test_the_files_are_the_sources() -> None:
    assert {"kaggle_mri", "lgg", "phantom"} <= set(sources.names())
    assert not any(name.startswith("_") for name in sources.names())


@pytest.mark.parametrize("name", sources.names())
def test_every_source_describes_itself(name) -> None:
    source = sources.load(name)
    contents = source.describe(None)
    assert isinstance(contents, Contents)
    assert contents.outputs
    assert contents.citation
    assert source.default_preprocessing(None).image_size == 128


def test_an_unknown_source_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'kaggle_mri'"):
        sources.load("kaggle-mri")
