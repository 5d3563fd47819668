from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import Field

from glioray.data import sources
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents
from glioray.data.sources import raw_scans
from glioray.data.sources._contract import SourceOptions, only
from glioray.errors import DataError


class Choices(SourceOptions):
    channel_order: tuple[str, ...] = Field(("t1", "t2"), min_length=2, description="order of the sequences")


CHOOSING = SimpleNamespace(Options=Choices)


def test_the_files_are_the_sources() -> None:
    assert {"kaggle_mri", "lgg", "phantom", "brats_nifti", "brats_h5", "dicom", "image_folder"} == set(sources.names())


@pytest.mark.parametrize("name", sources.names())
def test_every_source_keeps_the_contract(name, tmp_path) -> None:
    source = sources.load(name)
    assert issubclass(source.Options, SourceOptions)
    assert source.Options.model_config["frozen"]
    assert all(field.description for field in source.Options.model_fields.values())
    assert isinstance(source.default_preprocessing(raw_scans(source, tmp_path)), Preprocessing)
    assert callable(source.find)
    assert callable(source.read)


@pytest.mark.parametrize("name", ["kaggle_mri", "lgg", "phantom"])
def test_a_source_of_one_data_set_describes_it_without_a_look(name, tmp_path) -> None:
    source = sources.load(name)
    contents = source.describe(raw_scans(source, tmp_path / "nowhere"))
    assert isinstance(contents, Contents)
    assert contents.outputs
    assert contents.citation


def test_an_unknown_source_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'kaggle_mri'"):
        sources.load("kaggle-mri")


def test_options_of_a_source_are_checked_and_kept(tmp_path) -> None:
    scans = raw_scans(CHOOSING, tmp_path, None, {"channel_order": ["t2", "t1"]})
    assert scans.options.channel_order == ("t2", "t1")
    assert scans.name(tmp_path / "a" / "b.nii") == "a/b.nii"


def test_an_option_that_a_source_has_not_suggests_the_nearest(tmp_path) -> None:
    with pytest.raises(DataError, match=r"option 'chanel_order': .* did you mean 'channel_order'"):
        raw_scans(CHOOSING, tmp_path, None, {"chanel_order": ["t2", "t1"]})


def test_an_option_out_of_bounds_is_refused_with_its_value(tmp_path) -> None:
    with pytest.raises(DataError, match=r"option channel_order=\['t1'\] is refused") as raised:
        raw_scans(CHOOSING, tmp_path, None, {"channel_order": ["t1"]})
    assert "\n" not in str(raised.value)


def test_a_task_that_is_not_offered_is_refused_with_those_that_are() -> None:
    assert only(None, ("segmentation",), "lgg") == "segmentation"
    with pytest.raises(DataError, match="'lgg' has no classification; it offers: segmentation"):
        only("classification", ("segmentation",), "lgg")
