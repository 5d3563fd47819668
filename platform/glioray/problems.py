"""What is wrong with settings that a person wrote, all of it at once and in words."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from glioray.errors import RecipeError, did_you_mean


class Problems:
    """Collects what is wrong with the sections of a recipe.

    Args:
        source: where the settings come from, which every line begins with.
    """

    def __init__(self, source: str) -> None:
        self.source = source
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
            RecipeError: a line for each problem.
        """
        if self.lines:
            raise RecipeError("\n".join(f"{self.source}: {line}" for line in self.lines))


def _line(section: type[BaseModel], problem: Any, prefix: str) -> str:
    """One problem of pydantic in words: path, what was found, what would be right."""
    loc = [str(part) for part in problem["loc"]]
    path = prefix + ".".join(loc)
    if problem["type"] == "extra_forbidden":
        return f"{path}: there is no such setting{did_you_mean(loc[-1], _fields_at(section, loc[:-1]))}"
    if problem["type"] == "missing":
        return f"{path}: missing"
    message: str = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and not loc:  # of a check across fields, whose text names them
        return f"{prefix.rstrip('.')}: {message}" if prefix else message
    return f"{path.rstrip('.')}: {problem['input']!r} is refused: {message[0].lower()}{message[1:]}"


def _fields_at(section: type[BaseModel], loc: list[str]) -> list[str]:
    """Names of the settings of the section that a path leads to."""
    for name in loc:
        annotation = section.model_fields[name].annotation
        assert isinstance(annotation, type)
        section = annotation
    return list(section.model_fields)
