"""Folders of object storage, as s3://BUCKET/runs or gs://BUCKET/data, each with a copy on this machine.

Nobody works in such a folder: what is needed is fetched to the copy first, what was made is sent afterwards. Its files
appear whole or not at all, but no folder does, and none can be renamed; so whoever sends several puts last the file
that says that all are there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from glioray.errors import ClusterError

CACHE = "GLIORAY_CACHE"
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://(.+)")
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
_BEFORE_HOST = re.compile(r"([A-Za-z0-9+.-]*)(:?//)([^/\s]*)@")  # the colon is easily forgotten
_CONTAINERS = ("abfs", "abfss", "az")  # of Azure, which has the name of a container there
# A store that does not answer is to be told of in seconds; the packages' own patience is minutes.
_PATIENCE: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 3}}}
}


def is_remote(place: str) -> bool:
    """Whether it is an address, and not a path of this machine."""
    return _ADDRESS.fullmatch(place) is not None


def without_password(text: str) -> str:
    """Addresses without what stands before the host."""
    return _BEFORE_HOST.sub(r"\1\2***@", text)


def require_sound(address: str) -> None:
    """Refuses an address that holds a key, or whose copy would lie elsewhere on this machine.

    Addresses come with recipes and bundles of others, and go into pages, cards and logs.

    Raises:
        ClusterError: it has a user or a key before an `@`, or a part `.` or `..`.
    """
    told = without_password(address)
    if any(":" in given or scheme not in _CONTAINERS for scheme, _, given in _BEFORE_HOST.findall(address)):
        raise ClusterError(
            f"{told}: keys do not belong in an address, which is written down; set them in the environment"
        )
    if {".", ".."} & set(address.partition("://")[2].split("/")):
        raise ClusterError(f"{told}: has a part '.' or '..', which would lead out of its copy here; write it without")


def file_system(address: str) -> tuple[Any, str]:
    """The file system of fsspec that an address or a path is of, and how it calls the folder.

    Raises:
        ClusterError: the package that reaches it is not installed.
    """
    scheme = address.partition("://")[0]
    try:
        files, root = fsspec.core.url_to_fs(address, **_PATIENCE.get(scheme, {}))
    except (ImportError, ValueError) as error:
        package = _PACKAGES.get(scheme)
        advice = f"install it with `pip install {package}`" if package else "use s3://, gs://, or a folder"
        raise ClusterError(f"{address}: addresses of {scheme}:// are not reached from here; {advice}") from error
    return files, root.rstrip("/")


@contextlib.contextmanager
def told(address: str, what: str) -> Iterator[None]:
    """Turns whatever the many packages raise into one line; of a path, an OSError is one already.

    Raises:
        ClusterError: the store does not answer, or refuses.
    """
    try:
        yield
    except FileNotFoundError:
        raise ClusterError(f"{address} cannot {what}: there is no such bucket or file") from None
    except Exception as error:
        if not is_remote(address):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"{address} cannot {what} ({reason}); look at its spelling, and at the keys and the region in the "
            "environment of every machine"
        ) from error


def joined(folder: str, name: str) -> str:
    """What lies in a folder, be it an address or a path."""
    return posixpath.join(folder, name) if is_remote(folder) else str(Path(folder) / name)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at an address; names of files are relative to it, with slashes."""

    address: str

    def __post_init__(self) -> None:
        require_sound(self.address)

    @cached_property
    def files(self) -> Any:
        """The file system that the address is of; raises as `file_system`."""
        return file_system(self.address)[0]

    @cached_property
    def root(self) -> str:
        """The folder as its file system calls it; raises as `file_system`."""
        return file_system(self.address)[1]

    @property
    def copy(self) -> Path:
        """Its place on this machine, the same for every process."""
        # Workers on other machines have no command line to be told it by.
        cache = os.environ.get(CACHE) or Path.home() / ".cache" / "glioray"
        scheme, rest = _ADDRESS.fullmatch(self.address).groups()  # type: ignore[union-attr]
        return Path(cache).absolute() / scheme / rest.strip("/")

    def names(self) -> list[str]:
        """All files below it, sorted; none where there is no such folder yet.

        Raises:
            ClusterError: the store does not answer, or a name would lead out of the copy.
        """
        with told(self.address, "be listed"):
            self.files.invalidate_cache()
            found = sorted(name.removeprefix(f"{self.root}/") for name in self.files.find(self.root))
        for name in found:
            if {"", ".", ".."} & set(name.split("/")):
                raise ClusterError(f"{self.address}: holds {name!r}, which is no name of a file here; remove it there")
        return found

    def read(self, name: str) -> bytes | None:
        """The content of a small file; none where it is not there."""
        with told(self.address, "be read"):
            try:
                content: bytes = self.files.cat_file(posixpath.join(self.root, name))
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """A small file, whole or not at all."""
        with told(self.address, "be written"):
            self.files.pipe_file(posixpath.join(self.root, name), content)

    def fetch(self, names: Iterable[str], sha256: Mapping[str, str] | None = None) -> None:
        """Brings files to the copy, each whole or not at all.

        Args:
            names: of the files.
            sha256: of those that need not come again where the copy holds just that.
        """
        known = sha256 or {}
        for name in names:
            target = self.copy / name
            if name in known and target.is_file() and sha256_of(target) == known[name]:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
            try:
                with told(self.address, "be read"):
                    self.files.get_file(posixpath.join(self.root, name), str(partial))
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def send(self, names: Iterable[str]) -> None:
        """Takes files of the copy to the address, in this order."""
        for name in names:
            with told(self.address, "be written"):
                self.files.put_file(str(self.copy / name), posixpath.join(self.root, name))

    def remove(self, names: Iterable[str]) -> None:
        """Removes files at the address, in this order."""
        for name in names:
            with told(self.address, "be written"), contextlib.suppress(FileNotFoundError):
                self.files.rm_file(posixpath.join(self.root, name))


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
