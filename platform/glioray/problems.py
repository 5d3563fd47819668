"""What is wrong with settings that a person wrote, all of it at once and in words."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from glioray.errors import GliorayError, RecipeError, did_you_mean


class Problems:
    """Collects what is wrong with settings and their sections.

    Args:
        source: where the settings come from, which every line begins with.
        kind: of the error that they end in.
    """

    def __init__(self, source: str, kind: type[GliorayError] = RecipeError) -> None:
        self.source, self.kind = source, kind
        self.lines: list[str] = []

    def check(self, section: type[BaseModel], values: Any, prefix: str, skip: tuple[str, ...] = ()) -> BaseModel | None:
        """The checked section, or none; `skip` names fields that were reported already."""
        try:
            return section.model_validate(values)
        except ValidationError as error:
            for problem in error.errors():
                if not (problem["loc"] and problem["loc"][0] in skip):
                    self.lines.append(_line(section, problem, prefix))
            return None

    def raise_if_any(self) -> None:
        """Does nothing where all is well.

        Raises:
            GliorayError: of the given kind: a line for each problem.
        """
        if self.lines:
            raise self.kind("\n".join(f"{self.source}: {line}" for line in self.lines))


def _line(section: type[BaseModel], problem: Any, prefix: str) -> str:
    """One problem of pydantic in words: path, what was found, what would be right."""
    loc = [str(part) for part in problem["loc"]]
    path = prefix + ".".join(loc)
    if problem["type"] == "extra_forbidden":
        return f"{path}: there is no such setting{did_you_mean(loc[-1], _fields_at(section, loc[:-1]))}"
    if problem["type"] == "missing":
        return f"{path}: missing"
    if problem["type"] == "value_error" and not loc:  # of a check across fields, whose text names them
        return f"{prefix.rstrip('.')}: {words_of(problem)}" if prefix else words_of(problem)
    return f"{path.rstrip('.')}: {refusal(problem)}"


def refusal(problem: Any) -> str:
    """What pydantic says of a value that it refuses, without its path."""
    message = words_of(problem)
    return f"{problem['input']!r} is refused: {message[0].lower()}{message[1:]}"


def words_of(problem: Any) -> str:
    """What pydantic says of a problem, or what a check of ours told it."""
    message: str = problem["msg"].removeprefix("Value error, ")
    return message


def _fields_at(section: type[BaseModel], loc: list[str]) -> list[str]:
    """Names of the settings of the section that a path leads to."""
    for name in loc:
        annotation = section.model_fields[name].annotation
        assert isinstance(annotation, type)
        section = annotation
    return list(section.model_fields)
