"""The API's OpenAPI description, completed: keys, problems, examples. Made once, at the first request for it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from glioray.serving import problems
from glioray.serving.door import GUARDED
from glioray.serving.examples import EXAMPLES, PROBLEM

JSON = "application/json"
PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong and what to do, after RFC 9457.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "always `about:blank`: the status says it"},
        "title": {"type": "string", "description": "what went wrong"},
        "status": {"type": "integer", "description": "as in the first line of the answer"},
        "detail": {"type": "string", "description": "what was found, and what to do"},
        "instance": {"type": "string", "description": "path that was asked"},
        "request_id": {"type": "string", "description": "as in X-Request-Id and in the access log"},
    },
}
KEYS: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "X-API-Key: KEY"},
}
OF_ALL_GUARDED = {401: "no key, or none that is valid", 408: "the request came too slowly"}


def install(api: FastAPI) -> None:
    """From here on `api.openapi()`, and so `/openapi.json`, gives the completed description."""
    plain = api.openapi
    api.openapi = functools.cache(lambda: completed(plain()))  # type: ignore[method-assign]


def completed(description: dict[str, Any]) -> dict[str, Any]:
    """The same description with the schema of problems, the keys, the problems of every call, and examples."""
    components = description.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = KEYS
    for path, call in _calls(description):
        if path.startswith(f"{GUARDED}/"):
            # The empty one stands for a service without keys, which its own machine may ask.
            call["security"] = [{}, *({name: []} for name in KEYS)]
            for status, problem in problems.described(OF_ALL_GUARDED).items():
                call["responses"].setdefault(str(status), problem)
        if "422" in call["responses"]:  # FastAPI's own says that it is JSON of another kind
            call["responses"]["422"]["content"] = {problems.MEDIA_TYPE: {}}
        _show_examples(path, call)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return description


def _calls(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, calls in description["paths"].items():
        for call in calls.values():
            yield path, call


def _show_examples(path: str, call: dict[str, Any]) -> None:
    for status, answer in call["responses"].items():
        content = answer.get("content", {})
        if problems.MEDIA_TYPE in content:
            example = {"example": PROBLEM | {"instance": path}} if status == str(PROBLEM["status"]) else {}
            content[problems.MEDIA_TYPE] = {"schema": PROBLEM_REF, **example}
        elif JSON in content and status == "200" and path in EXAMPLES:
            content[JSON]["example"] = EXAMPLES[path]
