"""What is known of one request, written on by all who handle it, and read at its end by log and metrics."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

SCOPE_KEY = "glioray.visit"


@dataclass
class Visit:
    """No content of an image, no name of a file, no text of the client but a checked request id."""

    request_id: str
    method: str
    route: str | None = None
    """its template, such as `/v1/classify`; none where nothing is"""
    key_name: str | None = None
    model: str | None = None
    version: int | None = None
    found: tuple[str, ...] = ()
    """the class, or the labels that were found; for counts over all, never beside a request id"""
    in_domain: bool | None = None
    """whether the image is like those of training; none where no image was answered, or that is not known"""
    status: int | None = None
    """none where the client was gone before the answer"""
    bytes_in: int = 0
    started_at: float = field(default_factory=time.perf_counter)

    @property
    def elapsed_s(self) -> float:
        """Since its headers came."""
        return time.perf_counter() - self.started_at


def visit_of(scope: MutableMapping[str, Any]) -> Visit | None:
    """That of an ASGI scope; none where no guard stands before the API."""
    visit: Visit | None = scope.get(SCOPE_KEY)
    return visit
