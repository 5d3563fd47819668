"""Damage to settings and records: another value, name or shape somewhere in JSON, YAML or CSV that stays readable."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from glioray.plain_values import from_yaml

DEEP = 20_000  # far beyond what a parser's recursion takes
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**63) - 1, 2**70, 10**400, 0.5, -0.0, 1e-320, 1e308),
    *(float("nan"), float("inf"), "", " ", "a", "0", "1e3", "nan", "\0", "\ud800", "\u0663", "\u00b2", "../../x", "/"),
    *("x" * 70_000, [], {}, [[]], [None], {"a": 1}, {"": {}}, {"schema_version": 1}, [0] * 300, ["a", 1, None]),
)
ODD_JSON = (
    *("NaN", "-Infinity", "1e999", "-0", "1" * 5000, "0.1e-9999", '"\\ud800"', '"\\u0000"', '{"a":1,"a":2}', "nul"),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" * 300 + "]" * 300, "01", "'a'", "[1,]", "\0"),
)
ODD_YAML = (
    *("2020-99-99", "2020-13-01T25:61:61Z", "!!timestamp 9", "!!int x", "!!float x", "!!bool x", "!!null x", "1:99:99"),
    *("!!binary '%%%'", "!!python/object/apply:os.getcwd []", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a]", "!!str"),
    *("&a [*a]", "&a {b: *a}", "*nowhere", "{<<: 3}", "{<<: [3]}", "{? [a] : b}", "{1: a, b: c}", "{null: a}", "0x"),
    *("1_000", "0b2", "0o9", ".inf", "-.INF", ".nan", "~", "=", "@", "`", "%", "|", "- -", "[", "'", '"\\x"', "? a"),
    *("{true: 1}", "{2020-01-01: 1}", "9" * 5000, "[" * 400 + "]" * 400, "0x" + "f" * 400, "[&x [0], *x, *x]", "\0"),
)
ODD_CELLS = (
    *("", " ", '"', '""', '"a\nb"', "\0", "nan", "inf", "-1", "1e999", "1_000", "\u0663", "\u00b2", "x" * 140_000),
    *("ALIVE", "NA", "0.5", "9" * 400, "'", ";", "\t", "\ufeff", "../x", "a,b", "\r", "\u2028", "\ud7ff", "#"),
)
_HOLE = "hole-{}-in-the-tree"


def reshape_json(rng: random.Random, content: bytes) -> bytes:
    """JSON with one to three places changed, or its text where it is none."""
    try:
        tree, pieces = _changed(rng, json.loads(content), ODD_JSON)
    except (ValueError, RecursionError):
        return content
    return _filled(json.dumps(tree), pieces).encode("utf-8", "surrogatepass")


def reshape_yaml(rng: random.Random, content: bytes) -> bytes:
    """YAML with one to three places changed, or as it is where it is none."""
    try:
        tree, pieces = _changed(rng, from_yaml(content), ODD_YAML)
        text = yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    except (ValueError, RecursionError, TypeError, yaml.YAMLError):
        return content
    return _filled(text, pieces).encode("utf-8", "surrogatepass")


def reshape_csv(rng: random.Random, content: bytes) -> bytes:
    """A table with cells, lines or its whole encoding changed."""
    lines = [line.split(",") for line in content.decode("utf-8", "replace").split("\n")]
    for _ in range(rng.randrange(1, 4)):
        rng.choice(_TABLE_CHANGES)(rng, lines)
    text = rng.choice("\n\n\n\r").join(rng.choice(",,,,;\t").join(line) for line in lines)
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")


def _changed(rng: random.Random, tree: Any, raw: Sequence[str]) -> tuple[Any, dict[str, str]]:
    """The tree with holes, and the raw text that belongs in each."""
    holder, pieces = [copy.deepcopy(tree)], dict[str, str]()
    for number in range(rng.randrange(1, 4)):
        inner, key = rng.choice(_places(holder))
        change = rng.randrange(6)
        if change < 2:
            inner[key] = copy.deepcopy(rng.choice(ODD_VALUES))
        elif change == 2:
            pieces[_HOLE.format(number)] = rng.choice(raw)
            inner[key] = _HOLE.format(number)
        elif change == 3 and inner is not holder:
            del inner[key]
        elif change == 4 and isinstance(inner, dict):
            inner[rng.choice(("", "a", "name", "kind", "low", "when", "\0", f"{key}s"))] = inner.pop(key)
        else:
            other, its_key = rng.choice(_places(holder))
            inner[key] = copy.deepcopy(other[its_key])
    return holder[0], pieces


def _places(holder: list[Any]) -> list[tuple[Any, Any]]:
    """Every container below, with each of its keys; never empty."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [holder]
    while waiting:
        inner = waiting.pop()
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        found += [(inner, key) for key in keys]
        waiting += [inner[key] for key in keys if isinstance(inner[key], dict | list)]
    return found


def _filled(text: str, pieces: dict[str, str]) -> str:
    for hole, piece in pieces.items():
        for quoted in (f'"{hole}"', hole):
            text = text.replace(quoted, piece)
    return text


def _put_cell(rng: random.Random, lines: list[list[str]]) -> None:
    line = rng.choice(lines)
    line[rng.randrange(len(line))] = rng.choice(ODD_CELLS)


def _add_cell(rng: random.Random, lines: list[list[str]]) -> None:
    rng.choice(lines).append(rng.choice(ODD_CELLS))


def _drop_cell(rng: random.Random, lines: list[list[str]]) -> None:
    line = rng.choice(lines)
    if len(line) > 1:
        del line[rng.randrange(len(line))]


def _repeat_line(rng: random.Random, lines: list[list[str]]) -> None:
    lines.insert(rng.randrange(len(lines)), list(rng.choice(lines)))


_TABLE_CHANGES: tuple[Callable[[random.Random, list[list[str]]], None], ...] = (
    *(_put_cell, _put_cell, _put_cell, _add_cell, _drop_cell, _repeat_line),
)
