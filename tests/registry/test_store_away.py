"""A registry on storage that does not answer."""

from __future__ import annotations

import pytest

from glioray.errors import ClusterError
from glioray.registry.store import Store


class NoAnswer(Exception):
    """As botocore's, which are of no kind that Python knows."""


def silent(*_: object, **__: object) -> None:
    raise NoAnswer("no connection to the endpoint")


@pytest.mark.parametrize("ask", [("names",), ("read", "unet", "x"), ("find", "unet"), ("_claim", "unet")])
def test_a_bucket_that_does_not_answer_is_one_line(ask: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store("memory://away/registry")
    for method in ("exists", "cat_file", "makedirs"):
        monkeypatch.setattr(type(store.files), method, silent)

    with pytest.raises(ClusterError, match=r"^memory://away/registry cannot be \w+ \(no connection to the endpoint\);"):
        getattr(store, ask[0])(*ask[1:])
