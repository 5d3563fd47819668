"""Which version of its own format a file is of: read, or refused with what to do. `docs/compatibility.md` lists all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import glioray
from glioray.errors import GliorayError, SchemaError

FIELD = "schema_version"
FIRST = 1


def require_version(
    content: Any,
    known: int,
    what: str,
    remedy: str,
    error: type[GliorayError] = SchemaError,
    unnamed: int | None = None,
) -> None:
    """Refuses a file of another version of its format, before anything else of it is looked at.

    Args:
        content: what was read; anything but a mapping passes, for its reader to say what it is not.
        known: the version that this glioray reads.
        what: the file, and what it is: `runs/a/bundle/config.json: bundle`.
        remedy: the command that makes it anew.
        error: its kind.
        unnamed: version of a file that names none; none: such a file is refused.

    Raises:
        GliorayError: of the given kind: another version, with both numbers.
    """
    found = content.get(FIELD, unnamed) if isinstance(content, Mapping) else known
    if found == known and not isinstance(found, bool):
        return
    is_newer = isinstance(found, int) and not isinstance(found, bool) and found > known
    why = f"A newer glioray than this one, {glioray.__version__}, wrote it: install that one, or " if is_newer else ""
    todo = remedy if why else remedy[:1].upper() + remedy[1:]
    raise error(f"{what} of schema version {found!r}; this glioray reads version {known}. {why}{todo}")
