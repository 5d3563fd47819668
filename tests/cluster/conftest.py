"""One Ray for all files that need nothing special of theirs: to start and end another takes 25 s of the processor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import pytest

from glioray.cluster import LOOPBACK, connect, free_port
from glioray.training.memory import KEEP_MEMORY


class SharedRay:
    """Starts where it is first asked for; ends where a file has a Ray of its own, or with the last test."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment, self._open = environment, contextlib.ExitStack()
        self.is_there = False

    def begin(self) -> None:
        if not self.is_there:
            with pytest.MonkeyPatch.context() as inherited:
                for name, value in self._environment.items():
                    inherited.setenv(name, value)
                self._open.enter_context(connect(dashboard=True, variables=KEEP_MEMORY))
            self.is_there = True

    def end(self) -> None:
        self._open.close()
        self.is_there = False


@pytest.fixture(scope="session")
def bucket_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How to reach the bucket that test_storage.py puts up: Ray's processes inherit it when Ray starts."""
    return {
        "GLIORAY_CACHE": str(tmp_path_factory.mktemp("cache")),
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{free_port(5050)}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


@pytest.fixture(scope="session")
def _shared(bucket_environment: dict[str, str]) -> Iterator[SharedRay]:
    shared = SharedRay(bucket_environment)
    yield shared
    shared.end()


@pytest.fixture(scope="module")
def shared_ray(_shared: SharedRay) -> None:
    """Ray with a dashboard, as `glioray train` starts it; `connect` joins it."""
    _shared.begin()


@pytest.fixture(scope="module")
def own_ray(_shared: SharedRay) -> None:
    """No Ray, so that the file can start one; tests that ask for this come last, see tests/conftest.py."""
    _shared.end()
