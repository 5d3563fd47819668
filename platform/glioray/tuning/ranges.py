"""What a setting may become in a search: the kinds of ranges, each as a distribution of Optuna."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field, field_validator, model_validator

from glioray.frozen import Frozen

Value = Any  # plain, as YAML would give it
_SCALARS = (bool, int, float, str, type(None))


class Range(Frozen, ABC):
    """What is common to all kinds."""

    kind: str = Field(description="how its values are spread")
    when: dict[str, Value] = Field(
        default_factory=dict, description="moved only where these other settings have this value, or one of a list"
    )

    @property
    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """For Optuna."""

    @property
    @abstractmethod
    def ends(self) -> tuple[Value, ...]:
        """The values that are tried before anything starts."""

    @property
    def values(self) -> tuple[Value, ...] | None:
        """All of them, for a grid; none where there is no end of them."""
        return None

    @property
    def text(self) -> str:
        """For a person."""
        where = " and ".join(f"{path} is {' or '.join(map(str, allowed(value)))}" for path, value in self.when.items())
        return self._text + (f", where {where}" if where else "")

    @property
    @abstractmethod
    def _text(self) -> str:
        """The values alone."""

    @abstractmethod
    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> Value:
        """What the sampler says; the same whenever the same trial is asked again."""

    def stored(self, value: Value) -> Value:
        """A value as Optuna keeps it."""
        return value

    def plain(self, kept: Value) -> Value:
        """A value that Optuna keeps, as a recipe takes it."""
        return kept

    def holds(self, value: Value) -> bool:
        """Whether the search could come to it."""
        kept = self.stored(value)
        try:
            return bool(self.distribution._contains(self.distribution.to_internal_repr(kept)))
        except (ValueError, TypeError):
            return False

    def applies(self, values: dict[str, Value]) -> bool:
        """Whether the settings that it depends on have the values that it is moved with."""
        return all(path in values and values[path] in allowed(wanted) for path, wanted in self.when.items())


class _Between(Range):
    """A range of numbers with two ends."""

    low: float = Field(description="lowest value")
    high: float = Field(description="highest value")

    @model_validator(mode="after")
    def _is_ordered(self) -> _Between:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}: swap them, or widen the range")
        if self.kind.startswith("log") and self.low <= 0:
            raise ValueError(f"low {self.low:g} has no logarithm: choose one above 0, or the kind without log_")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """Low and high."""
        return self.low, self.high

    @property
    def _text(self) -> str:
        step = getattr(self, "step", None)
        steps = f" in steps of {step:g}" if step not in (None, 1) else ""
        whole = "whole numbers from " if isinstance(self, Int) else ""
        return f"{whole}{self.low:g} to {self.high:g}{steps}" + (
            ", by logarithm" if self.kind.startswith("log") else ""
        )


class Uniform(_Between):
    """Numbers, all alike; in steps if asked."""

    kind: Literal["uniform"] = Field(description="all alike")
    step: float | None = Field(None, gt=0, description="between two values; none: any number")

    @property
    def distribution(self) -> FloatDistribution:
        """Of floats."""
        return FloatDistribution(self.low, self.high, step=self.step)

    @property
    def values(self) -> tuple[Value, ...] | None:
        """The steps."""
        if self.step is None:
            return None
        return tuple(
            self.low + number * self.step for number in range(int((self.high - self.low) / self.step + 1e-9) + 1)
        )

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> float:
        """A float."""
        return trial.suggest_float(path, self.low, self.high, step=self.step)


class LogUniform(_Between):
    """Positive numbers whose logarithms are all alike."""

    kind: Literal["log_uniform"] = Field(description="their logarithms all alike")

    @property
    def distribution(self) -> FloatDistribution:
        """Of floats."""
        return FloatDistribution(self.low, self.high, log=True)

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> float:
        """A float."""
        return trial.suggest_float(path, self.low, self.high, log=True)


class Int(_Between):
    """Whole numbers, all alike, or by `log_int` their logarithms."""

    kind: Literal["int", "log_int"] = Field(description="all alike, or their logarithms")
    low: int = Field(description="lowest value")
    high: int = Field(description="highest value")
    step: int = Field(1, ge=1, description="between two values; of int alone")

    @model_validator(mode="after")
    def _has_no_steps_in_logarithms(self) -> Int:
        if self.kind == "log_int" and self.step != 1:
            raise ValueError(f"log_int knows no steps, step is {self.step}: leave it out, or use the kind int")
        return self

    @property
    def distribution(self) -> IntDistribution:
        """Of whole numbers."""
        return IntDistribution(self.low, self.high, log=self.kind == "log_int", step=self.step)

    @property
    def ends(self) -> tuple[Value, ...]:
        """Low, and the highest that the steps come to."""
        return self.low, range(self.low, self.high + 1, self.step)[-1]

    @property
    def values(self) -> tuple[Value, ...]:
        """Each."""
        return tuple(range(self.low, self.high + 1, self.step))

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> int:
        """A whole number."""
        return trial.suggest_int(path, self.low, self.high, step=self.step, log=self.kind == "log_int")


class Choice(Range):
    """One of several values of any kind."""

    kind: Literal["choice"] = Field(description="one of several")
    options: tuple[Value, ...] = Field(min_length=1, description="values of any kind, each once")

    @field_validator("options")
    @classmethod
    def _are_different(cls, options: tuple[Value, ...]) -> tuple[Value, ...]:
        seen: list[str] = [json.dumps(option) for option in options]
        if twice := next((text for text in seen if seen.count(text) > 1), None):
            raise ValueError(f"{twice} stands there twice: name each once")
        return options

    @property
    def distribution(self) -> CategoricalDistribution:
        """Of the options as Optuna keeps them."""
        return CategoricalDistribution([self.stored(option) for option in self.options])

    @property
    def ends(self) -> tuple[Value, ...]:
        """Each is tried."""
        return self.options

    @property
    def values(self) -> tuple[Value, ...]:
        """Each."""
        return self.options

    @property
    def _text(self) -> str:
        return " | ".join(map(str, self.options))

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> Value:
        """One of the options."""
        return self.plain(trial.suggest_categorical(path, self.distribution.choices))

    def stored(self, value: Value) -> Value:
        """Lists and mappings as JSON."""
        return value if isinstance(value, _SCALARS) else json.dumps(value)

    def plain(self, kept: Value) -> Value:
        """The option that is kept so."""
        return next(option for option in self.options if self.stored(option) == kept)


KINDS: dict[str, type[Range]] = {
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "int": Int,
    "log_int": Int,
    "choice": Choice,
}


def allowed(wanted: Value) -> list[Value]:
    """What a condition of `when` names: one value, or any of a list."""
    return wanted if isinstance(wanted, list) else [wanted]
