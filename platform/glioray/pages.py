"""What all pages for a person share: how a template becomes one HTML file, and how amounts are worded."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(package: str, template: str, filters: Mapping[str, Any] | None = None, **values: Any) -> str:
    """The text of a template that lies in a package, every value escaped; a name that is not given is an error."""
    environment = _environment(package)
    environment.filters |= filters or {}
    return environment.get_template(template).render(**values)


def counted(amount: int, units: str) -> str:
    """As `12 patients`, or `1 patient`."""
    return f"{amount:,} {units.removesuffix('s') if amount == 1 else units}"


def duration(seconds: float) -> str:
    """As `42 s`, `12 min` or `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def family_style() -> Markup:
    """That of the data set's page, which the pages of a run and of a sweep share."""
    return Markup(resources.files("glioray.data.page").joinpath("page.css").read_text(encoding="utf-8"))  # noqa: S704


def word(value: Any) -> str:
    """A setting as a person reads it."""
    return "none" if value is None else "yes" if value is True else "no" if value is False else str(value)


def data_uri(picture: bytes, kind: str = "png") -> str:
    """A picture as an address that holds it, so that a page is one file; `kind` as browsers name it."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


@functools.cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
