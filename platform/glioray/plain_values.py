"""Plain values out of JSON and YAML that anybody may have written.

The parsers of both raise what happens to go wrong inside them, from a date that is none to a recursion without an end;
both take half a character (a lone surrogate), which cannot be written again; and YAML's aliases let a few lines stand
for a value that contains itself, or for gigabytes, which any message about it would write out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

MOST_LEVELS = 50  # of YAML, which people write
_BROKEN_VALUE = (TypeError, LookupError, AttributeError, ArithmeticError)
Pairs = Callable[[list[tuple[str, Any]]], dict[str, Any]]


def from_json(content: bytes | str, object_pairs_hook: Pairs | None = None) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, no Unicode, or nested too deeply; in one line.
    """
    try:
        value = json.loads(content, object_pairs_hook=object_pairs_hook)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if ("\\u" in content) if isinstance(content, str) else (b"\\u" in content):
        _refuse_half_characters(value)
    return value


def from_yaml(content: bytes | str) -> Any:
    """The value of a YAML text, of the types that JSON has, and dates.

    Raises:
        ValueError: it is no YAML, asks for other types, is nested too deeply, or has an alias; in one line.
    """
    try:
        _refuse_aliases_and_depth(content)
        value = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    except _BROKEN_VALUE as error:
        raise ValueError(f"a value is not what its form promises, as 2020-99-99 is no date ({error})") from None
    _refuse_half_characters(value)
    return value


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted paths, as `--set` takes them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _refuse_aliases_and_depth(content: bytes | str) -> None:
    """Event by event: of 20,000 brackets the parser itself would make two minutes of work."""
    level = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has an alias (*NAME), which is not read: write the value out")
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise ValueError(f"it is nested too deeply, more than {MOST_LEVELS} levels")


def _refuse_half_characters(value: Any) -> None:
    """Of all texts in a value."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict | list | set | tuple):
            waiting.extend(inner)
            waiting.extend(inner.values() if isinstance(inner, dict) else ())
        elif isinstance(inner, str) and not inner.isascii():
            try:
                inner.encode()
            except UnicodeEncodeError:
                raise ValueError(f"it holds a text with half a character: {inner[:20]!a}") from None
