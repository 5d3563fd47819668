"""The page `/docs`: every call of the OpenAPI description, to be read by a person. Nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from glioray import pages
from glioray.serving.description import JSON
from glioray.serving.door import GUARDED
from glioray.serving.examples import PROBLEM

_ACCEPTED = {"image/png": "overlay.png"}


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of an answer."""

    name: str
    kind: str
    text: str
    default: str | None = None


@dataclass(frozen=True)
class Call:
    """One method of one path, ready to be set."""

    method: str
    path: str
    anchor: str
    text: str
    needs_key: bool
    body: str | None
    parameters: tuple[Field, ...]
    fields: tuple[Field, ...]
    example: str | None
    problems: tuple[tuple[str, str], ...]
    curls: tuple[str, ...]


def render(description: Mapping[str, Any], style: str, base: str) -> str:
    """The page's text.

    Args:
        description: OpenAPI, as `description.completed` gives it.
        style: that of the page `/`, so that both look alike.
        base: address of the service, for the lines to copy.
    """
    return pages.render(
        "glioray.serving",
        "web/docs.html.j2",
        {"with_code": _with_code},
        style=Markup(style),  # noqa: S704 - our own file
        info=description["info"],
        calls=tuple(_calls(description, base)),
        problem=json.dumps(PROBLEM, indent=2),
        base=base,
    )


def kind_of(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: `string`, `list of integer`, `ModelInfo`, `number by name`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        kinds = [kind_of(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " or ".join(repr(value) for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        item: Mapping[str, Any] = schema.get("items") or next(iter(schema.get("prefixItems", ())), {})
        return f"list of {kind_of(item)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"{kind_of(schema['additionalProperties'])} by name"
    return kind


def _calls(description: Mapping[str, Any], base: str) -> Iterator[Call]:
    for path, methods in description["paths"].items():
        for method, call in methods.items():
            answer = call["responses"].get("200", {}).get("content", {})
            needs_key = path.startswith(f"{GUARDED}/")
            body = call.get("requestBody")
            yield Call(
                method=method.upper(),
                path=path,
                anchor=call["operationId"],
                text=call.get("description", call.get("summary", "")),
                needs_key=needs_key,
                body=None if body is None else body.get("description", ""),
                parameters=tuple(_parameter(one) for one in call.get("parameters", ())),
                fields=tuple(_fields(answer.get(JSON, {}).get("schema", {}), description)),
                example=_pretty(answer.get(JSON, {})),
                problems=tuple(_problems(call)),
                curls=tuple(_curls(method.upper(), f"{base}{path}", needs_key, body is not None, answer)),
            )


def _parameter(parameter: Mapping[str, Any]) -> Field:
    schema = parameter["schema"]
    default = schema.get("default")
    shown = "needed" if parameter.get("required") else "none" if default is None else json.dumps(default)
    return Field(parameter["name"], kind_of(schema), parameter.get("description", ""), shown)


def _fields(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[Field]:
    """Of an answer, or of any that it may be, and below each the fields of what it holds, as `mask.counts`."""
    if "anyOf" in schema:
        fields = {field.name: field for one in reversed(schema["anyOf"]) for field in _fields(one, description)}
        yield from fields.values()
        return
    found = description["components"]["schemas"].get(_reference(schema), schema)
    for name, field in found.get("properties", {}).items():
        yield Field(name, kind_of(field), field.get("description", ""))
        inner, mark = _inner(field)
        for below in _fields(inner, description) if "$ref" in inner else ():
            yield Field(f"{name}{mark}.{below.name}", below.kind, below.text)


def _inner(field: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """What a field holds, and how a path says that it holds several."""
    if isinstance(field.get("additionalProperties"), Mapping):
        return field["additionalProperties"], "[NAME]"
    if isinstance(field.get("items"), Mapping):
        return field["items"], "[]"
    return next((one for one in field.get("anyOf", ()) if "$ref" in one), field), ""


def _reference(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


def _pretty(content: Mapping[str, Any]) -> str | None:
    if "example" not in content:
        return None
    # A list of numbers or words takes one line, not one for each of them.
    text = json.dumps(content["example"], indent=2)
    return re.sub(r"\[\n[^\[\]{}]*\]", lambda found: re.sub(r"(,?)\n\s*", r"\1 ", found[0]), text)


def _with_code(text: str) -> Markup:
    """Text of a docstring, where what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _problems(call: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for status, answer in sorted(call["responses"].items()):
        if not status.startswith("2"):
            yield status, answer["description"]


def _curls(method: str, url: str, needs_key: bool, has_body: bool, answer: Mapping[str, Any]) -> Iterator[str]:
    key = ' -H "X-API-Key: $KEY"' if needs_key else ""
    body = " -F file=@slice.png" if has_body else "" if method == "GET" else f" -X {method}"
    yield f"curl{key}{body} '{url}'"
    for kind, file in _ACCEPTED.items():
        if kind in answer:
            yield f"curl{key}{body} -H 'Accept: {kind}' -o {file} '{url}'"
