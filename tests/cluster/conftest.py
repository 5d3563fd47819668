"""Ray reads its environment when it is imported, which a test may do before it connects."""

from __future__ import annotations

import os

import pytest

from glioray import cluster


@pytest.fixture(scope="session", autouse=True)
def _loopback() -> None:
    """All that Ray starts here listens on 127.0.0.1 alone, whoever starts it."""
    for name, value in {**cluster._ENVIRONMENT, **cluster._LOOPBACK}.items():
        os.environ.setdefault(name, value)
