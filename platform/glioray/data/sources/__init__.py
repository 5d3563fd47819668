"""Raw formats, one file each. A source's name is its file's name; nothing else registers it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from glioray.data.sources._contract import Source
from glioray.errors import DataError, did_you_mean

__all__ = ["Source", "load", "names"]


def names() -> tuple[str, ...]:
    """The sources there are, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"))


def load(name: str) -> Source:
    """The source of that name.

    Raises:
        DataError: there is none; the nearest is suggested.
    """
    if name not in names():
        raise DataError(f"no source {name!r}{did_you_mean(name, names())}")
    return cast(Source, importlib.import_module(f"{__name__}.{name}"))
