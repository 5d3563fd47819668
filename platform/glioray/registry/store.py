"""Published bundles by name, version and alias, on a local folder or any fsspec address.

ROOT/NAME/3/...             the files of version 3
ROOT/NAME/3/PUBLISHED.json  written last, with their hashes: a version without it does not exist
ROOT/NAME/3.claim           created exclusively: two publishers cannot have the same number
ROOT/NAME/aliases/latest    the version that an alias stands for
ROOT/NAME/rollout.json      which version services answer with, see rollout.py
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import tempfile
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from glioray.errors import BundleError, ClusterError, RegistryError, did_you_mean
from glioray.plain_values import from_json
from glioray.registry.bundle import CARD, CONFIG, DOMAIN, WEIGHTS, ModelBundle
from glioray.remote import file_system, require_sound, told
from glioray.schema import FIELD, FIRST, require_version

MARKER = "PUBLISHED.json"
SCHEMA_VERSION = 1
FILES = (WEIGHTS, CONFIG, CARD)
MAY_BE = (DOMAIN,)
LATEST = "latest"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_CLAIMING = threading.Lock()


@dataclass(frozen=True)
class Published:
    """One version of a name."""

    name: str
    version: int
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        """As `Store.find` takes it."""
        return f"{self.name}@{self.version}"


class Store:
    """The registry at an address; creates nothing until something is published.

    What is asked of it raises ClusterError where a store of objects does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            require_sound(address)
            self.files, self.root = file_system(address)
        except ClusterError as error:
            raise RegistryError(f"registry {error}") from None
        self.address = address

    def publish(self, bundle_folder: Path, name: str, aliases: tuple[str, ...] = (LATEST,)) -> Published:
        """Stores a bundle as the next version of a name, then moves the aliases to it.

        Raises:
            BundleError: the folder is not a whole bundle.
            RegistryError: the name or an alias is not a plain word.
        """
        _require_plain(name)
        for alias in aliases:
            _require_alias(alias)
        contents = _contents(bundle_folder)
        version = self._claim(name)
        for file, content in contents.items():
            self._write(self._path(name, str(version), file), content)
        hashes = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        marker = json.dumps({FIELD: SCHEMA_VERSION, "sha256": hashes}, indent=2)
        self._write(self._path(name, str(version), MARKER), marker.encode())
        for alias in aliases:
            self.move_alias(name, alias, version)
        if LATEST in aliases:
            self._follow_newest(name, version)
        return Published(name, version, tuple(sorted(aliases)))

    def move_alias(self, name: str, alias: str, version: int) -> None:
        """Lets an alias stand for a version; a reader sees the old one or the new.

        Raises:
            RegistryError: there is no such version.
        """
        _require_alias(alias)
        if version not in self.versions(name):
            raise RegistryError(f"{name} has no version {version}; there is: {_listed(self.versions(name))}")
        self._write(self._path(name, "aliases", alias), str(version).encode())

    def names(self) -> tuple[str, ...]:
        """Every name with a published version."""
        return tuple(name for name in self._list(self.root) if _NAME.fullmatch(name) and self.versions(name))

    def versions(self, name: str) -> tuple[int, ...]:
        """Published versions of a name, oldest first."""
        _require_plain(name)
        numbers = sorted(int(entry) for entry in self._list(self._path(name)) if _NUMBER.fullmatch(entry))
        with told(self.address, "be listed"):
            return tuple(number for number in numbers if self.files.exists(self._path(name, str(number), MARKER)))

    def aliases(self, name: str) -> dict[str, int]:
        """Version that each alias of a name stands for.

        Raises:
            RegistryError: an alias stands for no number.
        """
        _require_plain(name)
        folder = self._path(name, "aliases")
        # What is no name is an alias that another publisher is writing.
        words = [word for word in self._list(folder) if _NAME.fullmatch(word)]
        return {alias: self._aliased(posixpath.join(folder, alias)) for alias in words}

    def find(self, reference: str) -> Published:
        """Resolves `NAME`, `NAME@VERSION` or `NAME@ALIAS`; a bare name is its latest.

        Raises:
            RegistryError: nothing published fits.
        """
        name, _, tag = reference.partition("@")
        _require_plain(name)
        # Aliases first: a version that is published in between is then among the versions, not the other way round.
        aliases, versions = self.aliases(name), self.versions(name)
        if not versions:
            raise RegistryError(f"{self.address}: no model is called {name!r}{did_you_mean(name, self.names())}")
        version = int(tag) if _NUMBER.fullmatch(tag) else aliases.get(tag or LATEST)
        if version not in versions:
            known = [str(number) for number in versions] + list(aliases)
            asked = tag or LATEST
            raise RegistryError(f"{self.address}: {name} has no version or alias {asked!r}{did_you_mean(asked, known)}")
        return Published(name, version, tuple(sorted(alias for alias, number in aliases.items() if number == version)))

    def load(self, reference: str) -> tuple[Published, ModelBundle]:
        """The bundle that a reference leads to.

        Raises:
            RegistryError: nothing published fits.
            BundleError: a file differs from what was published.
        """
        published = self.find(reference)
        folder = self._path(published.name, str(published.version))
        hashes = _hashes(self._read(posixpath.join(folder, MARKER)) or b"", published)
        local = Path(tempfile.mkdtemp(prefix="glioray-bundle-"))
        try:
            for file, expected in hashes.items():
                self._fetch(posixpath.join(folder, file), local / file, expected, f"{published}: {file}")
            return published, ModelBundle.load(local)
        finally:
            shutil.rmtree(local)

    def read(self, name: str, file: str) -> bytes | None:
        """A file that is kept beside the versions of a name; none where it is not there.

        Raises:
            RegistryError: the name is not a plain word.
        """
        _require_plain(name)
        return self._read(self._path(name, file))

    def write(self, name: str, file: str, content: bytes) -> None:
        """Replaces such a file; raises as `read`."""
        _require_plain(name)
        self._write(self._path(name, file), content)

    def create(self, name: str, file: str) -> bool:
        """An empty file beside the versions of a published name; false where it is there already. Raises as `read`."""
        _require_plain(name)
        # The lock is for threads on memory://, whose exclusive creation looks first and creates then.
        with told(self.address, "be written"), _CLAIMING:
            try:
                self.files.open(self._path(name, file), "xb").close()
            except FileExistsError:
                return False
        return True

    def remove(self, name: str, file: str) -> None:
        """Takes such a file away; raises as `read`."""
        _require_plain(name)
        with told(self.address, "be written"):
            self.files.rm_file(self._path(name, file))

    def _follow_newest(self, name: str, moved: int) -> None:
        """Moves `latest` on until it is the newest: the slower of two publishers must not turn it back."""
        while moved != (newest := self.versions(name)[-1]):
            self.move_alias(name, LATEST, newest)
            moved = newest

    def _aliased(self, path: str) -> int:
        content = self._read(path) or b""
        if not _NUMBER.fullmatch(content.decode("ascii", "replace")):
            raise RegistryError(
                f"{path}: an alias stands for a version, this one holds {content[:20]!r}; move it again"
            )
        return int(content)

    def _claim(self, name: str) -> int:
        """The next free number, created exclusively."""
        with told(self.address, "be written"):
            self.files.makedirs(self._path(name), exist_ok=True)
        taken = [entry.removesuffix(".claim") for entry in self._list(self._path(name))]
        version = max((int(entry) for entry in taken if _NUMBER.fullmatch(entry)), default=0) + 1
        while not self.create(name, f"{version}.claim"):
            version += 1
        return version

    def _write(self, path: str, content: bytes) -> None:
        """Whole or not at all: written beside its place, then moved there."""
        folder, file = posixpath.split(path)
        partial = posixpath.join(folder, f".{file}.{uuid.uuid4().hex}")
        with told(self.address, "be written"):
            self.files.makedirs(folder, exist_ok=True)
            self.files.pipe_file(partial, content)
            self.files.mv(partial, path)

    def _read(self, path: str) -> bytes | None:
        """None where it is not there."""
        with told(self.address, "be read"):
            try:
                content: bytes = self.files.cat_file(path)
            except FileNotFoundError:
                return None
        return content

    def _fetch(self, source: str, target: Path, expected: str, what: str) -> None:
        content = self._read(source)
        if content is None:
            raise BundleError(f"{what}: is gone from the registry; publish it again")
        if hashlib.sha256(content).hexdigest() != expected:
            raise BundleError(f"{what}: differs from what was published; publish it again")
        target.write_bytes(content)

    def _list(self, folder: str) -> list[str]:
        with told(self.address, "be listed"):
            there = self.files.ls(folder, detail=False) if self.files.exists(folder) else []
        return sorted(posixpath.basename(path.rstrip("/")) for path in there)

    def _path(self, *parts: str) -> str:
        return posixpath.join(self.root, *parts)


def _contents(folder: Path) -> dict[str, bytes]:
    """The bytes of a bundle's files, after a proof that it is whole, and that they are its own."""
    for file in (*FILES, *MAY_BE):
        if (folder / file).is_symlink():
            raise BundleError(
                f"{folder / file}: is a link, and what it leads to would be published; copy the file here"
            )
    ModelBundle.load(folder).build()
    for file in FILES:
        if not (folder / file).is_file():
            raise BundleError(f"{folder / file}: no such file; the bundle is not whole, save it again")
    there = [file for file in (*FILES, *MAY_BE) if (folder / file).is_file()]
    return {file: (folder / file).read_bytes() for file in there}


def _hashes(marker: bytes, published: Published) -> dict[str, str]:
    """SHA-256 of each file of a version."""
    try:
        content = from_json(marker)
        what = f"{published}: {MARKER}: entry of the registry"
        require_version(content, SCHEMA_VERSION, what, "publish it again.", BundleError, unnamed=FIRST)
        hashes = content["sha256"]
        names = set(hashes)
    except (ValueError, KeyError, TypeError):
        names = set()
    if names - set(MAY_BE) != set(FILES):
        raise BundleError(f"{published}: {MARKER} does not list the files of a bundle; publish it again")
    return dict(hashes)


def _require_plain(word: str) -> None:
    if not _NAME.fullmatch(word):
        raise RegistryError(
            f"{word!r} is no name: use a-z, 0-9, '_', '-', '.', at most 64, beginning with a letter or digit"
        )


def _require_alias(word: str) -> None:
    _require_plain(word)
    if _NUMBER.fullmatch(word):
        raise RegistryError(f"alias {word!r} looks like a version: give it a letter")


def _listed(versions: tuple[int, ...]) -> str:
    return ", ".join(map(str, versions)) or "none"
