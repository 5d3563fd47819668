from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from glioray.data.place import local_folder, out_folder, send_data
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.errors import DataError
from glioray.remote import RemoteFolder


def test_a_path_is_taken_as_it_is() -> None:
    assert local_folder("data/lgg") == out_folder("data/lgg") == Path("data/lgg")
    send_data("data/lgg")


def test_an_address_is_fetched_and_proves_itself(place: str, volumes: PreparedDataset) -> None:
    dataset = PreparedDataset.open(local_folder(place))
    dataset.verify(hashes=True)
    assert dataset.manifest == volumes.manifest


def test_what_is_whole_is_not_fetched_again(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    local_folder(place)
    monkeypatch.setattr(RemoteFolder, "fetch", lambda *_: pytest.fail("fetched again"))
    local_folder(place)


def test_a_copy_whose_fetching_was_cut_off_is_completed(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = RemoteFolder.fetch

    def cut_off(remote: RemoteFolder, names: list[str], sha256: dict[str, str]) -> None:
        fetch(remote, names[:1], sha256)
        raise KeyboardInterrupt

    monkeypatch.setattr(RemoteFolder, "fetch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        local_folder(place)
    with pytest.raises(DataError):
        PreparedDataset.open(RemoteFolder(place).copy)
    monkeypatch.setattr(RemoteFolder, "fetch", fetch)
    PreparedDataset.open(local_folder(place)).verify(hashes=True)


def test_a_shard_that_changed_at_the_address_is_refused(place: str, volumes: PreparedDataset) -> None:
    shard = volumes.manifest.shards[0].path
    RemoteFolder(place).write(shard, b"another")
    with pytest.raises(DataError, match=f"{shard}: not what was written there"):
        local_folder(place)


def test_an_address_without_data_says_what_to_give(bucket: str) -> None:
    with pytest.raises(DataError, match="no prepared data set is there"):
        local_folder(f"{bucket}/nothing")


def test_preparing_again_sends_nothing_and_another_way_replaces_all(phantom: Path, bucket: str) -> None:
    place, options = f"{bucket}/data", PrepareOptions(task="segmentation", image_size=32)
    for _ in range(2):
        prepare("phantom", phantom, out_folder(place), options)
        send_data(place)
    first = local_folder(place).joinpath("manifest.json").read_bytes()
    prepare("phantom", phantom, out_folder(place), PrepareOptions(task="segmentation", image_size=16))
    send_data(place)
    shutil.rmtree(RemoteFolder(place).copy)
    again = PreparedDataset.open(local_folder(place))
    again.verify(hashes=True)
    assert (again.folder / "manifest.json").read_bytes() != first
    assert again.signature.image_size == 16
