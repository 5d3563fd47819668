"""Any sequence of publishing, moving aliases and rolling out, with publishers that die anywhere in between."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from glioray.errors import RegistryError
from glioray.registry import rollout
from glioray.registry.bundle import ModelBundle
from glioray.registry.rollout import CLAIM, Rollout, change, read_rollout, serving
from glioray.registry.store import LATEST, Published, Store

NAME, ALIASES = "unet", (LATEST, "ward")
MOST_STEPS = 16  # of the files of one publishing: more never come to be


class Killed(BaseException):
    """The end of a process: nothing that follows is done, no cleaning up either."""


class DyingFiles:
    """A file system that dies at its n-th change, before it or, where content is written, in its middle."""

    def __init__(self, files: Any, steps_left: int, is_halfway: bool) -> None:
        self._files, self._left, self._is_halfway = files, steps_left, is_halfway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def pipe_file(self, path: str, content: bytes) -> None:
        if self._is_last():
            if self._is_halfway:
                self._files.pipe_file(path, content[: len(content) // 2])
            raise Killed
        self._files.pipe_file(path, content)

    def mv(self, source: str, target: str) -> None:
        if self._is_last():
            raise Killed
        self._files.mv(source, target)

    def open(self, *args: Any) -> Any:
        if self._is_last():
            raise Killed
        return self._files.open(*args)

    def rm_file(self, path: str) -> None:
        if self._is_last():
            raise Killed
        self._files.rm_file(path)

    def _is_last(self) -> bool:
        self._left -= 1
        return self._left < 0


class Registry(RuleBasedStateMachine):
    """What a reader may see beside what the publishers did; `source` makes the folder of a bundle."""

    source: Callable[[Path], None]
    versions = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="glioray-registry-"))
        self.source(self.place / "bundle")
        self.store = Store(str(self.place / "registry"))
        self.published: set[int] = set()
        self.aliases: dict[str, int] = {}
        self.rollout: Rollout | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    @initialize(target=versions)
    def first(self) -> int:
        return self.publish(ALIASES)

    @rule(target=versions, aliases=st.sampled_from([(), (LATEST,), ("ward",), ALIASES]))
    def publish(self, aliases: tuple[str, ...]) -> int:
        version = self.store.publish(self.place / "bundle", NAME, aliases).version
        assert version > max(self.published, default=0)
        self.published.add(version)
        self.aliases |= dict.fromkeys(aliases, version)
        return version

    @rule(steps=st.integers(0, MOST_STEPS), is_halfway=st.booleans(), aliases=st.sampled_from([(LATEST,), ALIASES]))
    def publisher_dies(self, steps: int, is_halfway: bool, aliases: tuple[str, ...]) -> None:
        self._dies(steps, is_halfway, lambda store: store.publish(self.place / "bundle", NAME, aliases))
        new = set(self.store.versions(NAME)) - self.published
        assert len(new) <= 1
        for alias, version in self.store.aliases(NAME).items():
            assert version in {self.aliases.get(alias), *(new if alias in aliases else ())}
        self.published |= new
        self.aliases = self.store.aliases(NAME)

    @rule(alias=st.sampled_from(ALIASES), version=versions)
    def move_alias(self, alias: str, version: int) -> None:
        self.store.move_alias(NAME, alias, version)
        self.aliases[alias] = version

    @rule(alias=st.sampled_from(ALIASES), version=versions, steps=st.integers(0, 2), is_halfway=st.booleans())
    def mover_dies(self, alias: str, version: int, steps: int, is_halfway: bool) -> None:
        self._dies(steps, is_halfway, lambda store: store.move_alias(NAME, alias, version))
        now = self.store.aliases(NAME)
        assert now.get(alias) in (self.aliases.get(alias), version)
        self.aliases = now

    @rule(to=versions, share=st.sampled_from([None, 0.1, 1]))
    def roll_out(self, to: int, share: float | None) -> None:
        before = self.rollout
        try:
            self.rollout = change(self.store, NAME, to, share)
        except RegistryError:
            assert share == 0.1
            assert before is None or before.version == to
            return
        assert self.rollout.version == (to if share != 0.1 or before is None else before.version)

    @rule()
    def roll_back(self) -> None:
        before = self.rollout
        if before is None or (before.before is None and before.canary is None):
            with pytest.raises(RegistryError):
                change(self.store, NAME, back=True)
            return
        self.rollout = change(self.store, NAME, back=True)
        assert self.rollout.version == (before.version if before.canary is not None else before.before)
        assert self.rollout.canary is None

    @rule(to=versions, steps=st.integers(0, 3), is_halfway=st.booleans())
    def roller_dies(self, to: int, steps: int, is_halfway: bool) -> None:
        self._dies(steps, is_halfway, lambda store: change(store, NAME, to))
        now = read_rollout(self.store, NAME)
        assert now == self.rollout or (steps == 3 and now is not None and now.version == to)
        self.rollout = now
        if steps > 0:
            with pytest.raises(RegistryError, match="one was killed at it"):
                change(self.store, NAME, to)
            self.store.remove(NAME, CLAIM)

    @invariant()
    def every_version_is_whole(self) -> None:
        assert set(self.store.versions(NAME)) == self.published
        for version in self.published:
            found, loaded = self.store.load(f"{NAME}@{version}")
            assert found == Published(NAME, version, self._names_of(version))
            assert loaded.config.data_fingerprint == "0123456789ab"

    @invariant()
    def every_name_leads_to_what_was_said_last(self) -> None:
        assert self.store.aliases(NAME) == self.aliases
        assert read_rollout(self.store, NAME) == self.rollout
        for alias, version in self.aliases.items():
            assert self.store.find(f"{NAME}@{alias}").version == version
        if self.rollout is not None:
            answering = [one.reference for one in serving(self.store, NAME, 1)]
            assert answering[0] == f"{NAME}@{self.rollout.version}"

    def _names_of(self, version: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, number in self.aliases.items() if number == version))

    def _dies(self, steps: int, is_halfway: bool, work: Callable[[Store], Any]) -> None:
        """Does some of the work in a process of its own, as far as a store can tell."""
        store = Store(self.store.address)
        store.files = DyingFiles(store.files, steps, is_halfway)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ModelBundle, "build", lambda bundle: bundle)  # proved whole when it was first published
            try:
                work(store)
            except Killed:
                return


def test_no_sequence_of_steps_and_deaths_shows_half_a_version(
    bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "WAIT_S", 0)

    class WithBundle(Registry):
        source = staticmethod(bundle.save)

    run_state_machine_as_test(
        WithBundle,
        settings=hypothesis.settings(
            max_examples=20, stateful_step_count=12, suppress_health_check=list(hypothesis.HealthCheck)
        ),
    )
