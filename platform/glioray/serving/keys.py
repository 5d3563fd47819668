"""Who may ask: named keys, from the environment or from a file that is read again when it changes.

Only SHA-256 digests are kept, so a key is in no core dump, pickle or log of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from glioray.errors import ServingError

KEYS_VARIABLE, FILE_VARIABLE = "GLIORAY_API_KEYS", "GLIORAY_API_KEYS_FILE"
SHORTEST_KEY = 16
CHECK_EVERY_S = 1.0
MAKE_ONE = "make one: `openssl rand -hex 32`"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # what a header can carry, without the comma that parts the keys
_Stamp = tuple[int, int, int] | None
logger = logging.getLogger(__name__)


class Keys(Protocol):
    """Keys that are valid now."""

    def name_of(self, key: bytes) -> str | None:
        """Whose key it is; none where it is nobody's."""


@dataclass(frozen=True)
class KeyRing:
    """Names and digests; a name may have several keys, so that one can be handed over to the next."""

    digests: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, entries: Iterable[tuple[str, str]]) -> KeyRing:
        """Of (where it stands, `NAME:KEY`), one or more; no error ever shows a key.

        Raises:
            ServingError: an entry is malformed, a key is too short, or two names have the same one.
        """
        owners: dict[bytes, str] = {}
        for place, entry in entries:
            name, digest = _parsed(place, entry)
            if owners.setdefault(digest, name) != name:
                raise ServingError(f"{place}: {name!r} and {owners[digest]!r} have the same key; {MAKE_ONE}")
        return cls(tuple((name, digest) for digest, name in owners.items()))

    def name_of(self, key: bytes) -> str | None:
        """Compares with every key in constant time, so that the time tells neither a match nor its place."""
        asked = hashlib.sha256(key).digest()
        found = None
        for name, digest in self.digests:
            if hmac.compare_digest(asked, digest):
                found = name
        return found


class KeyFile:
    """The keys of a file, a `NAME:KEY` a line, `#` before a remark.

    A change is seen within a second. A file that becomes unreadable, empty or wrong changes nothing: the last good keys
    stay valid, no others are, and the log says so once.
    """

    def __init__(self, path: Path, check_every_s: float = CHECK_EVERY_S) -> None:
        """Raises ServingError where the file cannot be used."""
        self.path = path
        self._check_every_s = check_every_s
        self._failure = ""
        self.read()

    def read(self) -> None:
        """Takes what the file says now; raises ServingError where it cannot be used."""
        self._checked_at = time.monotonic()
        # Before the reading: what changes meanwhile is then read again.
        stamp = self._stamp_now()
        self._ring = _read(self.path)
        self._stamp = stamp

    def name_of(self, key: bytes) -> str | None:
        """As a `KeyRing`, of the newest good keys."""
        if time.monotonic() - self._checked_at >= self._check_every_s:
            self._refresh()
        return self._ring.name_of(key)

    def _refresh(self) -> None:
        self._checked_at = time.monotonic()
        if self._stamp_now() == self._stamp:
            return
        try:
            self.read()
        except ServingError as error:
            if str(error) != self._failure:
                logger.error("%s; the %d keys read before stay valid", error, len(self._ring.digests))
            self._failure = str(error)
        else:
            self._failure = ""
            logger.warning("keys file %s: read again, %d keys", self.path, len(self._ring.digests))

    def _stamp_now(self) -> _Stamp:
        """Another one for a file that was written, replaced or removed."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ctime_ns, status.st_size, status.st_ino


def find_keys(environment: Mapping[str, str], keys_file: str | None) -> KeyRing | KeyFile | None:
    """The keys of the settings' file, of the file that the environment names, or of the environment itself.

    Raises:
        ServingError: they are given in two places, or cannot be used.
    """
    given, named = environment.get(KEYS_VARIABLE), environment.get(FILE_VARIABLE)
    places = {"args.keys_file": keys_file, FILE_VARIABLE: named, KEYS_VARIABLE: given}
    used = [place for place, value in places.items() if value is not None]
    if len(used) > 1:
        raise ServingError(f"keys are given by {' and by '.join(used)}: leave one")
    if given is not None:
        entries = [entry.strip() for entry in given.split(",") if entry.strip()]
        if not entries:
            raise ServingError(f"{KEYS_VARIABLE} is set and holds no key: unset it, or write NAME:KEY; {MAKE_ONE}")
        return KeyRing.parse((f"{KEYS_VARIABLE}, key {number}", entry) for number, entry in enumerate(entries, 1))
    path = keys_file if keys_file is not None else named
    # Replicas have working directories of their own.
    return None if path is None else KeyFile(Path(path).expanduser().resolve())


def _read(path: Path) -> KeyRing:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ServingError(f"keys file {path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ServingError(f"keys file {path}: is not text; write a NAME:KEY a line") from None
    entries = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    kept = [(f"keys file {path}, line {number}", line) for number, line in entries if line and not line.startswith("#")]
    if not kept:
        raise ServingError(f"keys file {path}: holds no key; write a NAME:KEY a line; {MAKE_ONE}")
    return KeyRing.parse(kept)


def _parsed(place: str, entry: str) -> tuple[str, bytes]:
    name, colon, key = entry.partition(":")
    if not colon:
        raise ServingError(f"{place}: has no name; write NAME:KEY")
    if not _NAME.fullmatch(name):
        raise ServingError(f"{place}: a name before the colon is 1 to 64 letters, digits, '.', '_' or '-'")
    if len(key) < SHORTEST_KEY:
        raise ServingError(
            f"{place}: the key of {name!r} has {len(key)} characters, at least {SHORTEST_KEY} are wanted; {MAKE_ONE}"
        )
    if not _KEY.fullmatch(key):
        raise ServingError(f"{place}: the key of {name!r} has a space, a comma or no ASCII; {MAKE_ONE}")
    return name, hashlib.sha256(key.encode("ascii")).digest()
