"""Plain values out of JSON and YAML that anybody may have written.

The parsers of both raise what happens to go wrong inside them, from a date that is none to a recursion without an end;
both take half a character (a lone surrogate), which cannot be written again; and YAML's aliases let some bytes stand
for a value that contains itself, or for billions of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import yaml

MOST_VALUES = 1_000_000  # written out: a data set with a remark on every one of its files has fewer
_BROKEN_YAML = (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OverflowError)
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
        _refuse_unusable(value)
    return value


def from_yaml(content: bytes | str) -> Any:
    """The value of a YAML text, of the types that JSON has, and dates.

    Raises:
        ValueError: it is no YAML, asks for other types, is nested too deeply, or its aliases have no end; in one line.
    """
    try:
        value = yaml.safe_load(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except _BROKEN_YAML as error:  # of a value that is not what its form promises, such as 2020-99-99
        raise ValueError(" ".join(str(error).split())) from None
    _refuse_unusable(value)
    return value


def _refuse_unusable(value: Any) -> None:
    """Counts what aliases stand for each time that they are used, and looks for texts that are none."""
    waiting, count = [value], 0
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict | list | set | tuple):
            count += len(inner)
            waiting.extend(inner)
            waiting.extend(inner.values() if isinstance(inner, dict) else ())
        elif isinstance(inner, str) and not inner.isascii():
            _refuse_half_character(inner)
        if count > MOST_VALUES:
            raise ValueError(f"it stands for more than {MOST_VALUES:,} values: an alias may contain itself")


def _refuse_half_character(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"it holds a text with half a character: {text[:20]!a}") from None
