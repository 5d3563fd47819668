"""A prepared folder by its path or its address; that of an address is worked with as a copy on this machine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from glioray.data.folder import check_output
from glioray.data.manifest import FILE_NAME as MANIFEST
from glioray.data.manifest import Manifest
from glioray.errors import DataError
from glioray.remote import RemoteFolder, is_remote, sha256_of


def local_folder(place: str) -> Path:
    """The folder of a data set: a path as it is, an address fetched whole and compared with its manifest's hashes.

    Raises:
        DataError: there is no data set at the address, or a shard is not what was written.
        ClusterError: the storage does not answer.
    """
    if not is_remote(place):
        return Path(place)
    remote = RemoteFolder(place)
    remote.copy.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(remote.copy.with_name(f".{remote.copy.name}.lock")):  # workers of one machine share the copy
        manifest = remote.read(MANIFEST)
        if manifest is None:
            raise DataError(f"{place}: no prepared data set is there; give the --out of `glioray prepare`")
        if not _holds(remote.copy, manifest):
            _fetch(remote, manifest)
    return remote.copy


def out_folder(place: str) -> Path:
    """Where to prepare what is asked for at a place: there, or in the copy, which is brought up to date first."""
    if not is_remote(place):
        return Path(place)
    remote = RemoteFolder(place)
    if remote.read(MANIFEST) is not None:
        return local_folder(place)
    check_output(remote.copy)
    return remote.copy


def send_data(place: str) -> None:
    """Takes what was prepared in the copy to its address; a kill leaves no data set there, or the whole one."""
    if not is_remote(place):
        return
    remote = RemoteFolder(place)
    if remote.read(MANIFEST) == (remote.copy / MANIFEST).read_bytes():
        return
    old = remote.names()
    new = sorted(path.relative_to(remote.copy).as_posix() for path in remote.copy.rglob("*") if path.is_file())
    remote.remove([MANIFEST])
    remote.send(name for name in new if name != MANIFEST)
    remote.remove(name for name in old if name not in new)
    remote.send([MANIFEST])


def _holds(copy: Path, manifest: bytes) -> bool:
    return (copy / MANIFEST).is_file() and (copy / MANIFEST).read_bytes() == manifest


def _fetch(remote: RemoteFolder, manifest: bytes) -> None:
    """The manifest comes last: a copy without it is not whole, and what it has of it need not come again."""
    (remote.copy / MANIFEST).unlink(missing_ok=True)
    with TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST).write_bytes(manifest)
        sha256 = {shard.path: shard.sha256 for shard in Manifest.load(Path(folder)).shards}
    names = [name for name in remote.names() if name != MANIFEST]
    for stale in [path for path in remote.copy.rglob("*") if path.is_file()]:
        if stale.relative_to(remote.copy).as_posix() not in names:
            stale.unlink()
    remote.fetch(names, sha256)
    for name, expected in sha256.items():
        if not (remote.copy / name).is_file() or sha256_of(remote.copy / name) != expected:
            raise DataError(f"{remote.address}/{name}: not what was written there. Prepare the data again.")
    (remote.copy / MANIFEST).write_bytes(manifest)
