"""What a user can cause, each with what was asked, what was found and what to do.

GliorayError
├── RecipeError          a setting is unknown, out of range, or does not fit another
├── DataError            raw scans or shards cannot be used
│   ├── UnreadableError  one file is not what its place says
│   ├── LeakError        a group stands on two sides of a split, or a model would be tested on what it learned from
│   └── SchemaError      written by another version of glioray
├── ModelError           a model does not fit the data it is given
│   └── DivergedError    the loss is not a number any more
├── BundleError          a saved model is damaged or not one of ours
├── RegistryError        a name, version or alias is not there, or is taken
├── ClusterError         Ray, its address or its storage cannot be used
│   └── FullDiskError    there is no room for what is to be written
├── ServingError         the service cannot start as asked
└── RequestError         a running service refuses what it is asked, or cannot be reached
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GliorayError(Exception):
    """Anything that a user can mend; its text is all that the user sees."""


class RecipeError(GliorayError):
    """A setting is unknown, out of range, or does not fit another."""


class DataError(GliorayError):
    """Raw scans or prepared shards cannot be used."""


class UnreadableError(DataError):
    """One file is not what its place says."""


class LeakError(DataError):
    """A group stands on two sides of a split, or a model would be tested on scans that it has learned from."""


class SchemaError(DataError):
    """Written by another version of glioray."""


class ModelError(GliorayError):
    """A model does not fit the data it is given."""


class DivergedError(ModelError):
    """The loss is not a number any more."""


class BundleError(GliorayError):
    """A saved model is damaged or not one of ours."""


class RegistryError(GliorayError):
    """A name, version or alias is not there, or is taken."""


class ClusterError(GliorayError):
    """Ray, its address or its storage cannot be used."""


class FullDiskError(ClusterError):
    """There is no room for what is to be written."""


class ServingError(GliorayError):
    """The service cannot start as asked."""


class RequestError(GliorayError):
    """A running service refuses what it is asked, or cannot be reached."""

    def __init__(self, text: str, status: int | None = None, retry_after_s: int | None = None) -> None:
        """Keeps the HTTP status, and when the request may be sent again; none where nothing was answered."""
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, else the list of what there is."""
    known = sorted(known)
    near = difflib.get_close_matches(asked, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there is: {', '.join(known) or 'none'}"
