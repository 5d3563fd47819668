"""Which version of a name its services answer with, and which one is being tried on a share of the requests.

ROOT/NAME/rollout.json, written at once: a service sees the old state or the new. Services look at it by themselves,
so that it can be changed from anywhere, and holds for those that start later. A claim beside it keeps changes apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import Field

from glioray.errors import RegistryError
from glioray.frozen import Frozen
from glioray.plain_values import from_json
from glioray.registry.store import Store
from glioray.schema import FIRST, require_version

FILE = "rollout.json"
CLAIM = f"{FILE}.claim"
WAIT_S = 10
SCHEMA_VERSION = 1


class Rollout(Frozen):
    """What a name stands for in a service that is told no version."""

    schema_version: int = SCHEMA_VERSION
    version: int = Field(ge=1)
    canary: int | None = Field(None, ge=1, description="version that a share of the requests is answered with")
    share: float = Field(0, ge=0, lt=1)
    before: int | None = Field(None, ge=1, description="the version before, for a way back")

    def to(self, version: int) -> Rollout:
        """All requests to another version; the way back leads to the one that had most of them."""
        return Rollout(version=version, before=self.before if version == self.version else self.version)

    def trying(self, canary: int, share: float) -> Rollout:
        """A share of the requests, above 0 and below 1, to another version."""
        return self.model_copy(update={"canary": canary, "share": share})


@dataclass(frozen=True)
class Serving:
    """A version that a service answers with; `share` is none where it is no canary. The aliases are those of now."""

    reference: str
    share: float | None = None
    aliases: tuple[str, ...] = ()


def read_rollout(store: Store, name: str) -> Rollout | None:
    """What was rolled out of a name; none where nothing ever was.

    Raises:
        RegistryError: the record is damaged, or of another version of glioray.
    """
    content = store.read(name, FILE)
    if content is None:
        return None
    remedy = f"`glioray rollout {name} --to VERSION` writes it anew."
    try:
        parsed = from_json(content)
        require_version(
            parsed, SCHEMA_VERSION, f"{store.address}: {name}/{FILE}: rollout", remedy, RegistryError, unnamed=FIRST
        )
        return Rollout.model_validate(parsed)
    except ValueError:
        raise RegistryError(
            f"{store.address}: {name}/{FILE} is damaged; `glioray rollout {name} --to VERSION` writes it anew"
        ) from None


def write_rollout(store: Store, name: str, rollout: Rollout) -> None:
    """Lets all services of a name follow.

    Raises:
        RegistryError: a version is not published.
    """
    for version in (rollout.version, rollout.canary):
        if version is not None:
            store.find(f"{name}@{version}")
    store.write(name, FILE, rollout.model_dump_json(indent=1).encode())


def change(
    store: Store,
    name: str,
    to: int | None = None,
    canary_share: float | None = None,
    back: bool = False,
) -> Rollout:
    """One step of a rollout, written and returned.

    Args:
        store: the registry.
        name: of the model.
        to: the version, by default the latest.
        canary_share: of the requests that it gets; none: all.
        back: instead to what was before; where a canary is being tried, only that ends.

    Raises:
        RegistryError: no such name or version, there is no way back, or another process changes it.
    """
    version = store.find(f"{name}@{to}" if to else name).version
    with _alone(store, name):
        now = read_rollout(store, name)
        if back:
            wanted = _back(now, name)
        elif canary_share is None or canary_share == 1:
            wanted = Rollout(version=version, before=_older(store, name, version)) if now is None else now.to(version)
        else:
            wanted = _trying(now, name, version, canary_share)
        write_rollout(store, name, wanted)
    return wanted


def serving(store: Store, wish: str, started_with: int) -> tuple[Serving, ...]:
    """What a service answers with that was told NAME, NAME@ALIAS or NAME@VERSION, the canary last.

    Args:
        store: the registry.
        wish: what it was told. A version stays; an alias and a rollout are followed.
        started_with: the version for a name of which nothing was rolled out: publishing alone changes no service.

    Raises:
        RegistryError: nothing published fits.
    """
    name, _, tag = wish.partition("@")
    if tag:
        return (_served(store, wish),)
    rollout = read_rollout(store, name)
    if rollout is None:
        return (_served(store, f"{name}@{started_with}"),)
    tried = () if rollout.canary is None else (_served(store, f"{name}@{rollout.canary}", rollout.share),)
    return (_served(store, f"{name}@{rollout.version}"), *tried)


@contextmanager
def _alone(store: Store, name: str) -> Iterator[None]:
    """Nobody else changes what is rolled out of a name; the others wait for a while."""
    end = time.monotonic() + WAIT_S
    while not store.create(name, CLAIM):
        if time.monotonic() > end:
            raise RegistryError(
                f"{store.address}: another process is changing what is rolled out of {name}: try again; if there is "
                f"none, one was killed at it: remove {name}/{CLAIM}"
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        store.remove(name, CLAIM)


def _served(store: Store, reference: str, share: float | None = None) -> Serving:
    published = store.find(reference)
    return Serving(str(published), share, published.aliases)


def _older(store: Store, name: str, version: int) -> int | None:
    """What the first rollout leads back to: services that were told no version most likely began with it."""
    return max((one for one in store.versions(name) if one < version), default=None)


def _trying(now: Rollout | None, name: str, version: int, share: float) -> Rollout:
    if share == 0:
        raise RegistryError("a canary gets more than 0 of the requests: --canary 0.1, or --back to end one")
    if now is None:
        raise RegistryError(
            f"nothing was rolled out of {name}, and what its services began with is not known here: say first what "
            f"answers the other requests, `glioray rollout {name} --to VERSION`"
        )
    if version == now.version:
        raise RegistryError(
            f"{name}@{version} has all the requests already: publish another version, or name one with --to"
        )
    return now.trying(version, share)


def _back(now: Rollout | None, name: str) -> Rollout:
    if now is not None and now.canary is not None:
        return now.model_copy(update={"canary": None, "share": 0.0})
    if now is None or now.before is None:
        raise RegistryError(f"{name}: nothing was rolled out before; name a version with --to")
    return now.to(now.before)
