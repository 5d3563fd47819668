"""Raw formats, one file each. A source's name is its file's name; nothing else registers it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from glioray.data.records import TaskName
from glioray.data.sources._contract import RawScans, Source
from glioray.errors import DataError, did_you_mean

__all__ = ["RawScans", "Source", "load", "names", "raw_scans", "table"]


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


def table() -> list[dict[str, Any]]:
    """For people: each source's name, the first line of its file, and its options with what they are."""
    return [
        {
            "name": name,
            "what": (importlib.import_module(f"{__name__}.{name}").__doc__ or "").splitlines()[0],
            "options": [f"{option}: {field.description}" for option, field in load(name).Options.model_fields.items()],
        }
        for name in names()
    ]


def raw_scans(
    source: Source, root: Path, task: TaskName | None = None, options: Mapping[str, Any] | None = None
) -> RawScans[Any]:
    """A folder as a source takes it, with its options checked.

    Raises:
        DataError: the source has no such option, or the value does not fit.
    """
    try:
        return RawScans(root, task, source.Options.model_validate(dict(options or {})))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise DataError(
                f"option {option!r}: this source has none such{did_you_mean(option, source.Options.model_fields)}"
            ) from None
        message = first["msg"].removeprefix("Value error, ")
        raise DataError(f"option {option}={first['input']!r} is refused: {message}") from None
