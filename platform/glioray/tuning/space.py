"""What a search may move: a recipe to begin with, and ranges by dotted paths; all tried before anything starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from glioray.errors import GliorayError, RecipeError, did_you_mean
from glioray.options import planned_recipe, values_of
from glioray.problems import Problems
from glioray.recipe import Recipe
from glioray.recipe_file import read_file
from glioray.tuning.ranges import KINDS, Range, Value, allowed
from glioray.tuning.settings import Search

FIXED = ("task", "seed", "plan", "data.path", "data.fold", "data.image_size")
_SEARCH, _SPACE = "search.", "search.space."


@dataclass(frozen=True)
class SearchSpace:
    """A base recipe and what may be moved; `ranges` has what others depend on before them."""

    base: Recipe
    search: Search
    ranges: Mapping[str, Range]

    @classmethod
    def from_yaml(cls, path: Path, settings: Sequence[str] = ()) -> SearchSpace:
        """Both parts of a file of `search_spaces/`, with each `PATH=VALUE` of `--set`; `search.trials=5` works too.

        Raises:
            RecipeError: a line for each setting that is wrong.
        """
        content, given = read_file(path), values_of(settings, "--set")
        of_search = {name: value for name, value in given.items() if name.startswith(_SEARCH)}
        of_recipe = {name: value for name, value in given.items() if name not in of_search}
        base, _ = planned_recipe(path, [f"{name}={json.dumps(value)}" for name, value in of_recipe.items()])
        if "search" not in content:
            raise RecipeError(f"{path}: has no `search:`; say below one what may be moved, as other files there do")
        for name, value in of_search.items():
            _put(content, name, value)
        return cls.from_values(base, content["search"], str(path))

    @classmethod
    def from_values(cls, base: Recipe, values: Any, source: str = "search") -> SearchSpace:
        """Checks nested plain values, every end of every range with them.

        Raises:
            RecipeError: a line for each that is wrong.
        """
        if not isinstance(values, Mapping):
            raise RecipeError(f"{source}: `search:` holds settings ({', '.join(Search.model_fields)}), not {values!r}")
        problems = Problems(source)
        written = values.get("space")
        if not isinstance(written, Mapping) or not written:
            problems.lines.append("search.space: is empty; name what may be moved, as optimizer.learning_rate")
            written = {}
        search = problems.check(Search, {name: value for name, value in values.items() if name != "space"}, _SEARCH)
        ranges = {path: found for path in written if (found := _range(problems, base, path, written[path]))}
        problems.raise_if_any()
        assert isinstance(search, Search)
        space = cls(base, search, _in_order(problems, ranges))
        space._try_all(problems)
        problems.raise_if_any()
        return space

    def suggest(self, trial: optuna.trial.BaseTrial) -> dict[str, Value]:
        """Values by paths, of those ranges that apply; the same whenever the same trial is asked again."""
        values: dict[str, Value] = {}
        for path, range_ in self.ranges.items():
            if range_.applies(values):
                values[path] = range_.suggest(trial, path)
        return values

    def settings(self, kept: Mapping[str, Value]) -> dict[str, Value]:
        """Values by paths, from those that Optuna keeps of a trial; one that was not begun in full has some of them."""
        return {path: range_.plain(kept[path]) for path, range_ in self.ranges.items() if path in kept}

    def recipe(self, values: Mapping[str, Value]) -> Recipe:
        """The base with these values.

        Raises:
            RecipeError: they do not fit each other.
        """
        return self.base.with_settings(values)

    def at(self, point: Mapping[str, Value]) -> dict[str, Value]:
        """A point to try first, filled up with what the base has, as Optuna keeps it."""
        values: dict[str, Value] = {}
        for path, range_ in self.ranges.items():
            if range_.applies(values):
                values[path] = point.get(path, value_at(self.base, path))
        return {path: self.ranges[path].stored(value) for path, value in values.items()}

    def ends(self) -> Iterator[tuple[str, dict[str, Value]]]:
        """Of every range each end, with what it depends on: its path, and all values that it takes."""
        for path, range_ in self.ranges.items():
            for needed in self._conditions(range_):
                for end in range_.ends:
                    yield path, {**needed, path: end}

    def grid(self) -> list[dict[str, Value]]:
        """All points, where every range has an end of values."""
        points: list[dict[str, Value]] = [{}]
        for path, range_ in self.ranges.items():
            points = [
                {**point, **more}
                for point in points
                for more in ([{path: value} for value in range_.values or ()] if range_.applies(point) else [{}])
            ]
        return points

    def values(self) -> dict[str, Any]:
        """Plain, as under `search:`."""
        space = {path: range_.model_dump(mode="json", exclude_defaults=True) for path, range_ in self.ranges.items()}
        return {**self.search.model_dump(mode="json"), "space": space}

    @property
    def fingerprint(self) -> str:
        """8 hex digits of what makes two trials comparable: base, ranges and metric; not how long is searched."""
        decisive = [self.base.fingerprint, self.values()["space"], self.search.metric, self.search.mode]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]

    def _conditions(self, range_: Range) -> list[dict[str, Value]]:
        """Each set of values of other settings under which a range is moved."""
        found: list[dict[str, Value]] = [{}]
        for parent, wanted in range_.when.items():
            above = self._conditions(self.ranges[parent])
            found = [{**one, **other, parent: value} for one in found for other in above for value in allowed(wanted)]
        return found

    def _try_all(self, problems: Problems) -> None:
        for path, values in self.ends():
            try:
                self.recipe(values)
            except GliorayError as error:
                others = {name: value for name, value in values.items() if name != path}
                where = f" with {_words(others)}" if others else ""
                problems.lines.append(f"{_SPACE}{path}: {values[path]!r}{where} is refused: {first_line(error)}")
        for number, point in enumerate(self.search.points):
            problems.lines.extend(self._wrong_with(f"search.start.{number}", point))
        if self.search.sampler.name == "grid":
            endless = [path for path, range_ in self.ranges.items() if range_.values is None]
            problems.lines.extend(
                f"{_SPACE}{path}: a grid needs values that can be counted: give a step, or use the kind choice"
                for path in endless
            )
        if self.search.sampler.name == "cma_es" and any(range_.when for range_ in self.ranges.values()):
            problems.lines.append("search.sampler.name: cma_es knows no `when`: use multivariate")

    def _wrong_with(self, where: str, point: Mapping[str, Value]) -> Iterator[str]:
        for path in sorted(set(point) - set(self.ranges)):
            yield f"{where}.{path}: is not in the space{did_you_mean(path, self.ranges)}"
        for path, value in self.at(point).items():
            if not self.ranges[path].holds(value):
                whose = "" if path in point else ", as the recipe has it,"
                yield (
                    f"{where}.{path}: {value!r}{whose} is not in its range: widen the range, or set search.start to "
                    "other points, or to []"
                )
        if not set(point) - set(self.ranges):
            try:
                self.recipe(point)
            except RecipeError as error:
                yield f"{where}: {first_line(error)}"


def value_at(recipe: Recipe, path: str) -> Value:
    """What a recipe has at a dotted path."""
    place: Any = recipe.values()
    for name in path.split("."):
        place = place[name]
    return place


def _range(problems: Problems, base: Recipe, path: str, written: Any) -> Range | None:
    """The range of a path, or none where it is wrong, which is noted."""
    where = f"{_SPACE}{path}"
    if path in FIXED or path.startswith("scaling."):
        problems.lines.append(f"{where}: decides which trials can be compared, so all have the same: remove it")
        return None
    try:
        base.with_settings({path: value_at(base, path)})
    except (KeyError, TypeError):
        problems.lines.append(f"{where}: {_lost(base, path)}")
        return None
    kind = written.get("kind") if isinstance(written, Mapping) else written
    if not isinstance(written, Mapping) or not isinstance(kind, str) or kind not in KINDS:
        asked = did_you_mean(str(kind), KINDS)
        problems.lines.append(f"{where}: {kind!r} is no kind of range{asked}; write as {{kind: int, low: 1, high: 9}}")
        return None
    found = problems.check(KINDS[kind], written, f"{where}.")
    return found if isinstance(found, Range) else None


def _lost(base: Recipe, path: str) -> str:
    try:
        base.with_values(path, None)
    except RecipeError as error:
        return first_line(error).removeprefix(f"{path}: ")
    return "there is no such setting"


def _in_order(problems: Problems, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """What others depend on before them; what depends on nothing that there is, is noted."""
    ordered: dict[str, Range] = {}
    left = dict(ranges)
    for path, range_ in ranges.items():
        for parent, wanted in range_.when.items():
            where = f"{_SPACE}{path}.when.{parent}"
            if parent not in ranges:
                problems.lines.append(f"{where}: is not in the space{did_you_mean(parent, ranges)}")
                continue
            for value in allowed(wanted):
                if not ranges[parent].holds(value):
                    problems.lines.append(f"{where}: {value!r} is never its value: name one that it can have")
    problems.raise_if_any()
    while left:
        ready = [path for path, range_ in left.items() if set(range_.when) <= set(ordered)]
        if not ready:
            problems.lines.append(f"{_SPACE}{next(iter(left))}.when: goes round in a circle: {', '.join(left)}")
            problems.raise_if_any()
        ordered |= {path: left.pop(path) for path in ready}
    return ordered


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    """Sets a value of `search:` by its path; a path of the space is one name."""
    if path.startswith(_SPACE):
        content["search"].setdefault("space", {})[path.removeprefix(_SPACE)] = value
        return
    *sections, last = path.split(".")
    place: Any = content
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {path}={value}: {section!r} holds no settings")
    place[last] = value


def first_line(error: Exception) -> str:
    """The first line of an error, without the command line that it names."""
    line = str(error).splitlines()[0]
    return line.rsplit("--set ", 1)[-1].partition(": ")[2] if line.startswith("--set ") else line


def _words(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{path}={value}" for path, value in values.items())
