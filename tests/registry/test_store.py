from __future__ import annotations

import multiprocessing
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from glioray.errors import BundleError, RegistryError
from glioray.registry.bundle import CARD, CONFIG, WEIGHTS
from glioray.registry.store import MARKER, Published, Store


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path / "registry") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/registry")


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "registry"))


@pytest.fixture
def folder(bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_published_bundle_is_loaded_exactly(store, folder, bundle):
    published = store.publish(folder, "unet")
    found, loaded = store.load("unet")

    assert published == found == Published("unet", 1, ("latest",))
    assert loaded.config == bundle.config
    assert all(torch.equal(loaded.weights[name], bundle.weights[name]) for name in bundle.weights)


def test_each_publishing_is_a_new_version_and_moves_the_alias(store, folder):
    first, second = store.publish(folder, "unet"), store.publish(folder, "unet")

    assert (first.version, second.version) == (1, 2)
    assert store.versions("unet") == (1, 2)
    assert store.find("unet").version == store.find("unet@latest").version == 2
    assert store.find("unet@1") == Published("unet", 1, ())


def test_an_alias_can_be_moved_back(store, folder):
    store.publish(folder, "unet", aliases=("latest", "best"))
    store.publish(folder, "unet")
    store.move_alias("unet", "latest", 1)

    assert store.aliases("unet") == {"best": 1, "latest": 1}
    assert store.find("unet").version == 1


def test_names_are_kept_apart(store, folder):
    store.publish(folder, "unet")
    store.publish(folder, "unet-lgg")

    assert store.names() == ("unet", "unet-lgg")
    assert store.versions("unet-lgg") == (1,)


def test_an_empty_registry_holds_nothing_and_creates_nothing(tmp_path):
    store = Store(str(tmp_path / "none"))

    assert store.names() == ()
    assert store.versions("unet") == ()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("unt", "no model is called 'unt'; did you mean 'unet'?"),
        ("unet@7", "no version or alias '7'; there is: 1, latest"),
        ("unet@latst", "no version or alias 'latst'; did you mean 'latest'?"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(store, folder, reference, expected):
    store.publish(folder, "unet")

    with pytest.raises(RegistryError) as caught:
        store.find(reference)
    assert expected in str(caught.value)


def test_an_entry_that_only_looks_like_a_number_is_no_version(store, folder):
    store.publish(folder, "unet")
    for name in ("\u00b2", "007", "2.claim.old"):
        store.files.makedirs(f"{store.root}/unet/{name}")

    assert store.versions("unet") == (1,)
    assert store.publish(folder, "unet").version == 2


def test_an_alias_cannot_be_moved_to_a_version_that_is_not_there(store, folder):
    store.publish(folder, "unet")

    with pytest.raises(RegistryError, match="unet has no version 5; there is: 1"):
        store.move_alias("unet", "latest", 5)


@pytest.mark.parametrize("word", ["../evil", "a/b", "", ".", "..", ".hidden", "Upper", "x" * 65, "a\n", "a b"])
def test_a_name_that_could_leave_the_registry_is_refused(store, folder, word):
    for attempt in (
        lambda: store.publish(folder, word),
        lambda: store.publish(folder, "unet", aliases=(word,)),
        lambda: store.find(f"{word}@1"),
        lambda: store.versions(word),
        lambda: store.aliases(word),
        lambda: store.move_alias(word, "latest", 1),
    ):
        with pytest.raises(RegistryError, match="is no name"):
            attempt()
    assert store.names() == ()


@pytest.mark.parametrize("tag", ["../../etc", "1/..", "²"])
def test_a_tag_that_is_no_version_is_refused(store, folder, tag):
    store.publish(folder, "unet")

    with pytest.raises(RegistryError, match="no version or alias"):
        store.find(f"unet@{tag}")


def test_an_alias_that_looks_like_a_version_is_refused(store, folder):
    with pytest.raises(RegistryError, match="'3'"):
        store.publish(folder, "unet", aliases=("3",))
    assert store.names() == ()


@pytest.mark.parametrize("missing", [WEIGHTS, CONFIG, CARD])
def test_a_folder_that_is_no_whole_bundle_is_not_published(store, folder, missing):
    (folder / missing).unlink()

    with pytest.raises(BundleError, match=missing):
        store.publish(folder, "unet")
    assert store.names() == ()


def test_a_name_without_a_latest_is_found_by_its_version_only(store, folder):
    store.publish(folder, "unet", aliases=())

    assert store.find("unet@1").version == 1
    with pytest.raises(RegistryError, match="no version or alias 'latest'; there is: 1"):
        store.find("unet")


def test_a_slow_publisher_does_not_turn_latest_back(store, folder, monkeypatch):
    move, overtaken = Store.move_alias, []

    def slow(self: Store, name: str, alias: str, version: int) -> None:
        if not overtaken:
            overtaken.append(version)
            self.publish(folder, name)
        move(self, name, alias, version)

    monkeypatch.setattr(Store, "move_alias", slow)
    store.publish(folder, "unet")

    assert store.find("unet").version == 2


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_publisher_that_dies_between_two_files_leaves_no_version(store, folder, monkeypatch, after):
    store.publish(folder, "unet")
    write, written = Store._write, []

    def dying(self: Store, path: str, content: bytes) -> None:
        if len(written) == after:
            raise KeyboardInterrupt
        written.append(path)
        write(self, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write", dying)
        with pytest.raises(KeyboardInterrupt):
            store.publish(folder, "unet")

    assert store.versions("unet") == (1,)
    assert store.find("unet").version == 1
    assert store.publish(folder, "unet").version == 3  # the number of the dead one is spent


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG, CARD])
def test_a_changed_file_is_refused_by_its_hash(store, folder, file):
    store.publish(folder, "unet")
    path = store._path("unet", "1", file)
    content = store.files.cat_file(path)
    store.files.pipe_file(path, content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(BundleError, match=f"unet@1: {file}: differs from what was published"):
        store.load("unet")


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG, CARD])
def test_a_file_that_is_gone_is_named(store, folder, file):
    store.publish(folder, "unet")
    store.files.rm(store._path("unet", "1", file))

    with pytest.raises(BundleError, match=f"unet@1: {file}: is gone"):
        store.load("unet")


@pytest.mark.parametrize(
    "marker", [b"{", b"[" * 20_000 + b"]" * 20_000, b"[]", b"{}", b'{"sha256": {"../evil": "0"}}', b'{"sha256": {}}']
)
def test_a_damaged_marker_is_refused(store, folder, marker):
    store.publish(folder, "unet")
    store.files.pipe_file(store._path("unet", "1", MARKER), marker)

    with pytest.raises(BundleError, match="unet@1"):
        store.load("unet")


def test_an_alias_that_is_no_number_is_refused(store, folder):
    store.publish(folder, "unet")
    store.files.pipe_file(store._path("unet", "aliases", "latest"), b"two")

    with pytest.raises(RegistryError, match="latest"):
        store.find("unet")


def test_an_address_of_an_unknown_kind_is_refused():
    with pytest.raises(RegistryError, match="nosuch://x"):
        Store("nosuch://x")


def test_threads_that_publish_at_once_get_different_versions(store, folder):
    with ThreadPoolExecutor(8) as pool:
        published = list(pool.map(lambda _: store.publish(folder, "unet"), range(16)))

    assert sorted(one.version for one in published) == list(range(1, 17))
    assert store.versions("unet") == tuple(range(1, 17))
    assert store.find("unet").version == 16


def test_readers_see_a_whole_version_while_others_publish(local, folder):
    local.publish(folder, "unet")

    with ThreadPoolExecutor(4) as pool:
        publishing = [pool.submit(local.publish, folder, "unet") for _ in range(8)]
        while not all(one.done() for one in publishing):
            local.load("unet")
            assert set(local.aliases("unet")) == {"latest"}
        for one in publishing:
            one.result()


def publish_five(address: str, folder: Path, versions: Any) -> None:
    for _ in range(5):
        versions.put(Store(address).publish(folder, "unet").version)


def test_processes_that_publish_at_once_get_different_versions(local, folder):
    fork = multiprocessing.get_context("fork")  # a fresh interpreter would import torch for seconds
    versions = fork.SimpleQueue()
    processes = [fork.Process(target=publish_five, args=(local.address, folder, versions)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert sorted(versions.get() for _ in range(10)) == list(range(1, 11))
    assert local.versions("unet") == tuple(range(1, 11))


def test_nothing_is_left_beside_the_versions(local, folder):
    local.publish(folder, "unet")

    names = {path.relative_to(local.root).as_posix() for path in Path(local.root).rglob("*") if path.is_file()}
    assert names == {f"unet/1/{file}" for file in (WEIGHTS, CONFIG, CARD, MARKER)} | {
        "unet/1.claim",
        "unet/aliases/latest",
    }


def test_an_address_with_a_key_in_it_is_refused_and_the_key_not_shown():
    with pytest.raises(RegistryError, match=r"ftp://\*\*\*@host/models: keys do not belong") as refusal:
        Store("ftp://ann:hush-hush@host/models")
    assert "hush-hush" not in str(refusal.value)


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG, CARD])
def test_a_link_in_a_bundle_is_not_published_with_what_it_leads_to(store, folder, tmp_path, file):
    (folder / file).rename(tmp_path / "private")
    (folder / file).symlink_to(tmp_path / "private")

    with pytest.raises(BundleError, match=f"{file}: is a link"):
        store.publish(folder, "unet")
    assert store.names() == ()
