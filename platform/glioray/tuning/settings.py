"""How a search is made: what for, how long, by which sampler and scheduler, with what of the cluster."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from glioray.frozen import Frozen

Metric = Literal["score", "val/loss", "parameters", "answer_ms"]
Mode = Literal["max", "min"]


class Resources(Frozen):
    """What a trial takes; of how many workers it is, `scaling.num_workers` of its recipe says."""

    cpus: float = Field(1.0, gt=0, le=256, description="cores for each worker of a trial, which are its threads too")
    gpus: float = Field(0.0, ge=0, le=64, description="GPUs for each worker; a share as 0.5 puts two on one")
    memory_gb: float | None = Field(
        None, gt=0, le=4096, description="a trial of one worker that takes more fails; none: the machine's own limit"
    )


class Scheduler(Frozen):
    """Which trials are stopped before their end."""

    name: Literal["asha", "hyperband", "median", "none"] = Field(
        "asha",
        description="asha: Li 2020, arXiv 1810.05934; hyperband: Li 2018, arXiv 1603.06560; median: Golovin 2017",
    )
    grace_epochs: int = Field(2, ge=1, le=10_000, description="before which none is stopped")
    reduction_factor: int = Field(3, ge=2, le=16, description="asha, hyperband: one of so many goes on at each rung")


class Sampler(Frozen):
    """Which settings are tried next."""

    name: Literal["tpe", "multivariate", "qmc", "random", "grid", "cma_es", "nsga2"] = Field(
        "multivariate",
        description="tpe: Bergstra 2011; multivariate: TPE over all settings together, Falkner 2018, arXiv 1807.01774; "
        "qmc: Sobol points; cma_es: Hansen 2016, arXiv 1604.00772; nsga2: Deb 2002, for several metrics",
    )
    startup_trials: int = Field(8, ge=1, le=10_000, description="tpe, multivariate: drawn at random before it learns")
    population: int = Field(16, ge=2, le=10_000, description="nsga2: trials of a generation")


class Search(Frozen):
    """The `search:` of a file in `search_spaces/`, but for its space."""

    metric: tuple[Metric, ...] = Field(
        ("score",),
        min_length=1,
        max_length=3,
        description="of the val side in the best epoch; several: the trials that none other beats in all",
    )
    mode: tuple[Mode, ...] = Field(("max",), description="for each metric")
    trials: int = Field(20, ge=1, le=100_000, description="in all, over all starts of the command")
    time_budget_s: float | None = Field(None, gt=0, description="in all, over all starts of the command")
    concurrency: int = Field(2, ge=1, le=10_000, description="trials at once")
    resources: Resources = Resources()
    scheduler: Scheduler = Scheduler()
    sampler: Sampler = Sampler()
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the sampler")
    start: tuple[dict[str, Any], ...] | None = Field(
        None, description="settings to try first; {} is the recipe as it stands, which is first by default"
    )

    @field_validator("metric", "mode", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _fits(self) -> Search:
        if len(self.metric) != len(self.mode):
            raise ValueError(
                f"metric names {len(self.metric)}, mode {len(self.mode)}: give each metric its mode, as "
                "metric: [score, parameters], mode: [max, min]"
            )
        if len(self.metric) > 1 and self.scheduler.name != "none":
            raise ValueError(
                f"scheduler.name {self.scheduler.name!r} compares one metric, there are {len(self.metric)}: set it to "
                "none, or name one metric"
            )
        if len(self.metric) > 1 and self.sampler.name == "cma_es":
            raise ValueError("sampler.name 'cma_es' knows one metric: use nsga2 or multivariate")
        if self.scheduler.name != "none" and self.metric[0] not in ("score", "val/loss"):
            raise ValueError(
                f"metric {self.metric[0]!r} is the same in every epoch: set scheduler.name=none, or search for the "
                "score"
            )
        if self.sampler.name == "grid" and self.start:
            raise ValueError("start names points, sampler.name 'grid' tries all: leave start out")
        return self

    @property
    def points(self) -> tuple[dict[str, Any], ...]:
        """What is tried first."""
        if self.start is None:
            return () if self.sampler.name == "grid" else ({},)
        return self.start
