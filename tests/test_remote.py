from __future__ import annotations

from pathlib import Path

import pytest

from glioray.errors import ClusterError
from glioray.remote import RemoteFolder, is_remote, joined


@pytest.fixture
def remote(bucket: str) -> RemoteFolder:
    """Two files at an address; nothing in its copy."""
    folder = RemoteFolder(f"{bucket}/data")
    folder.write("a.txt", b"one")
    folder.write("sub/b.txt", b"two")
    return folder


def test_an_address_is_told_from_a_path() -> None:
    assert is_remote("s3://bucket/runs")
    assert not any(map(is_remote, ("runs", "/runs", "C:/runs", "s3:/bucket", "s3://")))


def test_names_are_joined_as_addresses_or_as_paths() -> None:
    assert joined("s3://bucket/runs", "one") == "s3://bucket/runs/one"
    assert joined("runs", "one") == "runs/one"


def test_files_are_listed_and_fetched_under_their_names(remote: RemoteFolder) -> None:
    assert remote.names() == ["a.txt", "sub/b.txt"]
    remote.fetch(remote.names())
    assert (remote.copy / "sub/b.txt").read_bytes() == b"two"


def test_what_the_copy_holds_by_its_hash_does_not_come_again(remote: RemoteFolder) -> None:
    remote.fetch(["a.txt"])
    before = (remote.copy / "a.txt").stat().st_ino
    sha256 = {"a.txt": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"}  # printf one | sha256sum
    remote.fetch(["a.txt"], sha256)
    assert (remote.copy / "a.txt").stat().st_ino == before
    (remote.copy / "a.txt").write_bytes(b"eno")
    remote.fetch(["a.txt"], sha256)
    assert (remote.copy / "a.txt").read_bytes() == b"one"


def test_what_was_made_in_the_copy_is_sent_and_removed(remote: RemoteFolder) -> None:
    remote.copy.mkdir(parents=True)
    (remote.copy / "c.txt").write_bytes(b"three")
    remote.send(["c.txt"])
    assert remote.read("c.txt") == b"three"
    remote.remove(["c.txt", "never.txt"])
    assert remote.read("c.txt") is None


def test_a_folder_that_is_not_there_is_empty(bucket: str) -> None:
    assert RemoteFolder(f"{bucket}/nothing").names() == []


@pytest.mark.parametrize("name", ["../../evil", "sub/../../evil", "sub//evil", "/etc/evil"])
def test_a_name_that_leads_out_of_the_copy_is_refused(remote: RemoteFolder, name: str, monkeypatch) -> None:
    monkeypatch.setattr(type(remote.files), "find", lambda self, root: [f"{root}/{name}"])
    with pytest.raises(ClusterError, match="no name of a file here"):
        remote.names()


def test_a_file_that_is_gone_is_one_line(remote: RemoteFolder) -> None:
    with pytest.raises(ClusterError, match=r"memory://.*cannot be read: there is no such bucket or file"):
        remote.fetch(["never.txt"])
    assert not list(remote.copy.rglob("*never*"))


def test_a_kind_of_address_that_is_not_installed_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str, **_: object) -> None:
        raise ImportError(f"Install {scheme}")

    monkeypatch.setattr("fsspec.core.filesystem", missing)
    with pytest.raises(ClusterError, match="pip install gcsfs"):
        RemoteFolder("gs://bucket/runs").names()


def test_the_copy_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GLIORAY_CACHE", str(tmp_path))
    assert RemoteFolder("s3://bucket/runs/one").copy == tmp_path / "s3/bucket/runs/one"


@pytest.mark.parametrize(
    "address",
    [
        "http://host/data/../../../../Documents",
        "s3://../x",
        "s3://bucket/..",
        "memory://bucket/./runs",
        "s3://b/a/../b",
    ],
)
def test_an_address_whose_copy_would_lie_elsewhere_is_refused(address: str) -> None:
    """What is not at the address is removed from its copy: a recipe of somebody else must not choose the folder."""
    with pytest.raises(ClusterError, match="would lead out of its copy"):
        RemoteFolder(address)


@pytest.mark.parametrize(
    "address", ["s3://AKIA:hush-hush@bucket/runs", "ftp://ann:hush-hush@host/x", "sftp://hush-hush@h/x"]
)
def test_an_address_with_a_key_in_it_is_refused_and_the_key_not_shown(address: str) -> None:
    with pytest.raises(ClusterError, match=r"://\*\*\*@.*keys do not belong in an address") as refusal:
        RemoteFolder(address)
    assert "hush-hush" not in str(refusal.value)


def test_a_container_before_the_host_is_no_key() -> None:
    assert RemoteFolder("abfs://scans@account.dfs.core.windows.net/runs").copy.name == "runs"
    with pytest.raises(ClusterError, match="keys do not belong"):
        RemoteFolder("abfs://scans:hush-hush@account.dfs.core.windows.net/runs")
