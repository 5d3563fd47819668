from __future__ import annotations

import pytest

from glioray.data.download.datasets import dataset
from glioray.data.download.token import find_token, how_to_make_one


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({}, None),
        ({"KAGGLE_API_TOKEN": "x"}, "KAGGLE_API_TOKEN"),
        ({"KAGGLE_API_TOKEN": ""}, None),
        ({"KAGGLE_USERNAME": "x"}, None),
        ({"KAGGLE_USERNAME": "x", "KAGGLE_KEY": "y"}, "KAGGLE_USERNAME and KAGGLE_KEY"),
    ],
)
def test_a_token_in_the_environment_is_found(tmp_path, environment, where) -> None:
    assert find_token(environment, tmp_path) == where


@pytest.mark.parametrize("name", [".kaggle/access_token", ".kaggle/kaggle.json", ".config/kaggle/kaggle.json"])
def test_a_token_in_a_file_is_found_unless_the_file_is_empty(tmp_path, name) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert find_token({}, tmp_path) is None
    file.write_text("token")
    assert find_token({}, tmp_path) == str(file)


def test_a_folder_of_settings_may_be_named(tmp_path) -> None:
    (tmp_path / "kaggle.json").write_text("{}")
    found = find_token({"KAGGLE_CONFIG_DIR": str(tmp_path)}, tmp_path / "home")
    assert found == str(tmp_path / "kaggle.json")


def test_the_steps_name_the_command_and_the_way_without_a_token(tmp_path) -> None:
    text = how_to_make_one(dataset("lgg"), tmp_path)
    assert f"glioray download lgg --out {tmp_path}" in text
    assert "https://www.kaggle.com/settings/api" in text
    assert "https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation/versions/2 in a browser" in text
