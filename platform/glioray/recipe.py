"""One run as one value: what is trained, on what, how, and for how long.

A recipe is data. It comes from YAML, is checked whole before anything expensive starts, and is changed by one
mechanism: a dotted path and a value, after which everything is checked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, field_validator, model_validator

from glioray.data.augmentation import Augmentation
from glioray.data.records import TaskName
from glioray.errors import RecipeError, did_you_mean
from glioray.frozen import Frozen
from glioray.models import _contract as models
from glioray.problems import Problems
from glioray.recipe_file import read_recipe
from glioray.tasks import _contract as tasks

_RESETTING = ("model.name", "model.network")  # each puts the settings below it back to their defaults


class Data(Frozen):
    """Which shards are learned from."""

    path: str = Field(min_length=1, description="folder that `glioray prepare` wrote")
    image_size: int | None = Field(None, ge=16, le=1024, description="side in px; none takes what the shards have")
    fold: int | None = Field(None, ge=0, le=19, description="of data prepared with --folds: the one to test on")
    foreground_share: float | None = Field(
        None, gt=0, lt=1, description="at least this part of the images of an epoch shows a label; none draws all alike"
    )


class Optimizer(Frozen):
    """Rule of the weight updates."""

    name: Literal["adam", "adamw", "sgd"] = Field("adamw", description="sgd has Nesterov momentum 0.9")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="at its highest")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="adamw: decoupled; adam, sgd: part of the gradient")
    decay_all: bool = Field(
        False, description="weight decay of norms and biases too; without it they are left alone (He 2019, 1812.01187)"
    )
    clip_norm: float | None = Field(
        None, gt=0, le=1000, description="longest gradient; a longer one is shortened (Pascanu 2013, arXiv 1211.5063)"
    )
    ema_decay: float | None = Field(
        None, gt=0, lt=1, description="the answer is a moving average of the weights (Tarvainen 2017, arXiv 1703.01780)"
    )
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="each layer nearer to the image learns by this much slower (Bao 2022, 2106.08254)"
    )
    freeze_epochs: int = Field(0, ge=0, le=1000, description="epochs in which only the new layers learn, not the old")


class Schedule(Frozen):
    """The learning rate over the epochs."""

    name: Literal["constant", "cosine", "step"] = Field(
        "cosine", description="constant, cosine (Loshchilov 2017, 1608.03983), or step: drops now and then"
    )
    warmup_epochs: int = Field(0, ge=0, le=100, description="epochs of linear rise from near zero")
    step_epochs: int = Field(10, ge=1, le=1000, description="step: epochs between two drops")
    step_factor: float = Field(0.5, gt=0, lt=1, description="step: what the rate is multiplied by at a drop")


class Budget(Frozen):
    """How long is trained, and in which portions."""

    epochs: int = Field(12, ge=1, le=10_000, description="passes over the train side")
    batch_size: int = Field(32, ge=1, le=65_536, description="images of one update, over all workers together")
    accumulate: int = Field(1, ge=1, le=1024, description="portions that a batch goes through in, to save memory")
    patience: int | None = Field(
        None, ge=1, description="epochs without a better score before stopping; none never stops"
    )


class Answer(Frozen):
    """What is done to make the answer better once the network is trained."""

    flips: Literal["none", "horizontal", "both"] = Field(
        "none", description="mirrored copies that the answer is averaged over; both: left-right, up-down, and both"
    )
    smallest_part_px: tuple[Annotated[int, Field(ge=2, le=100_000)], ...] = Field(
        (), max_length=16, description="sizes below which a part of a mask is removed; validation chooses one, or none"
    )

    @field_validator("smallest_part_px", mode="before")
    @classmethod
    def _is_list(cls, sizes_px: Any) -> Any:
        if not isinstance(sizes_px, list | tuple):
            raise ValueError("a list, as [4, 16]")
        return sizes_px


class Scaling(Frozen):
    """Who does the work."""

    num_workers: int = Field(1, ge=1, le=1024, description="that train together, each with its share of a batch")
    use_gpu: bool = Field(False, description="one GPU for each worker")
    cpus_per_worker: float = Field(1.0, gt=0, le=256, description="cores that Ray keeps for each worker")
    min_workers: int | None = Field(
        None, ge=1, le=1024, description="go on with as few when machines are lost, until they are back; none waits"
    )

    @property
    def is_elastic(self) -> bool:
        """Whether the number of workers may change under way."""
        return self.min_workers is not None and self.min_workers < self.num_workers

    @property
    def fewest_workers(self) -> int:
        """That the run goes on with."""
        return self.num_workers if self.min_workers is None else self.min_workers


class Recipe(Frozen):
    """One run, whole."""

    task: TaskName = Field(description="of the whole image, or of every pixel")
    data: Data
    model: SerializeAsAny[models.ModelConfig]
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    loss: SerializeAsAny[tasks.LossConfig]
    budget: Budget = Budget()
    answer: Answer = Answer()
    scaling: Scaling = Scaling()
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of weights, order and augmentation")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the hardware computes it")
    compile: bool = Field(False, description="torch.compile: the first steps take minutes, the others are faster")
    plan: Literal["off", "auto"] = Field(
        "off", description="auto: image size, batch, class weights and foreground share from the data, where not given"
    )

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if self.model.task != self.task:
            raise ValueError(
                f"model {self.model.name!r} is for {self.model.task}, the task is {self.task}: change one of the two"
            )
        if self.scaling.fewest_workers > self.scaling.num_workers:
            raise ValueError(
                f"scaling.min_workers {self.scaling.min_workers} is above scaling.num_workers "
                f"{self.scaling.num_workers}: lower the first, or raise the second"
            )
        if self.budget.batch_size < self.scaling.num_workers:
            raise ValueError(
                f"budget.batch_size {self.budget.batch_size} leaves some of {self.scaling.num_workers} workers without "
                "an image: raise it, or lower scaling.num_workers"
            )
        if self.budget.batch_size % (self.scaling.num_workers * self.budget.accumulate) and self.budget.accumulate > 1:
            raise ValueError(
                f"budget.batch_size {self.budget.batch_size} does not divide into {self.budget.accumulate} portions of "
                f"{self.scaling.num_workers} workers: choose a multiple of "
                f"{self.scaling.num_workers * self.budget.accumulate}"
            )
        if self.answer.smallest_part_px and self.task == "classification":
            raise ValueError("answer.smallest_part_px is of masks, the task is classification: remove it")
        if self.augmentation.is_mixing and self.task == "segmentation":
            raise ValueError("augmentation.mixup and cutmix are of classes, the task is segmentation: set both to 0")
        return self

    @classmethod
    def from_values(cls, values: Any, source: str = "recipe") -> Recipe:
        """Checks nested plain values.

        Raises:
            RecipeError: names every wrong field by its path, one line each.
        """
        problems = Problems(source)
        if not isinstance(values, Mapping):
            raise RecipeError(f"{source}: a recipe holds settings ({', '.join(cls.model_fields)}), not {values!r}")
        sections = {"model": _model_class(values, problems), "loss": _loss_class(values)}
        checked = dict(values)
        for name, section in sections.items():
            checked[name] = problems.check(section, values.get(name, {}), f"{name}.") if section else None
        recipe = problems.check(cls, checked, "", skip=tuple(sections))
        problems.raise_if_any()
        return recipe  # type: ignore[return-value]

    @classmethod
    def from_yaml(cls, path: Path) -> Recipe:
        """The `recipe:` of a file in `search_spaces/`.

        Raises:
            RecipeError: the file is not there, is not YAML, or has a wrong field.
        """
        return cls.from_values(read_recipe(path), str(path))

    def with_values(self, path: str, value: Any) -> Recipe:
        """This recipe with one setting changed, checked whole.

        Args:
            path: as `optimizer.learning_rate`.
            value: plain, as YAML would give it.

        Raises:
            RecipeError: the path leads nowhere, or the value does not fit.
        """
        return self.with_settings({path: value})

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """This recipe with several settings changed together, for they may need each other; checked whole.

        Args:
            settings: plain values by their paths; those that put others back to their defaults go first.

        Raises:
            RecipeError: a path leads nowhere, or the values do not fit.
        """
        first = [{path: settings[path]} for path in _RESETTING if path in settings]
        others = {path: value for path, value in settings.items() if path not in _RESETTING}
        recipe = self
        for some in (*first, others):
            recipe = recipe._changed(some) if some else recipe
        return recipe

    def _changed(self, settings: Mapping[str, Any]) -> Recipe:
        values = self.values()
        for path, value in settings.items():
            section, last = _section_of(values, path)
            if path == "model.name" and value != self.model.name:
                values["model"] = section = {}  # another architecture has other settings: start from its defaults
            if path == "model.network" and value != section[last]:
                section["arguments"] = {}  # those of another class: start from its defaults
            section[last] = value
        return type(self).from_values(values, " ".join(f"--set {path}={value}" for path, value in settings.items()))

    def values(self) -> dict[str, Any]:
        """Nested plain values, from which `from_values` makes an equal recipe."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """A file that `from_yaml` reads back."""
        return yaml.safe_dump({"recipe": self.values()}, sort_keys=False)

    @property
    def fingerprint(self) -> str:
        """8 hex digits of all that decides the result; how many cores each worker has does not.

        An elastic run is another than one of a fixed number of workers, but its lower bound may be moved under way.
        """
        elastic = {"min_workers": 1 if self.scaling.is_elastic else None}
        scaling = self.scaling.model_copy(update={"cpus_per_worker": 1.0, **elastic})
        decisive = self.model_copy(update={"scaling": scaling})
        # Not there before there were elastic runs, whose fingerprints the others keep.
        unset = None if self.scaling.is_elastic else {"scaling": {"min_workers"}}
        return hashlib.sha256(decisive.model_dump_json(exclude=unset).encode()).hexdigest()[:8]


def _section_of(values: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The innermost section of a path, and the setting's name in it.

    Raises:
        RecipeError: the path leads nowhere.
    """
    *sections, last = path.split(".")
    place: Any = values
    for depth, section in enumerate(sections):
        if not isinstance(place.get(section), dict):
            where = ".".join(sections[: depth + 1])
            raise RecipeError(f"{path}: there is no section {where!r}{did_you_mean(section, place)}")
        place = place[section]
    if last not in place:
        raise RecipeError(f"{path}: there is no setting {last!r}{did_you_mean(last, place)}")
    return place, last


def _model_class(values: Mapping[str, Any], problems: Problems) -> type[BaseModel] | None:
    """Config class of `model.name`, or none where the name leads nowhere, which is noted."""
    model = values.get("model")
    if isinstance(model, str):
        problems.lines.append(f"model: {model!r} is refused: write it as `model: {{name: {model}}}`")
        return None
    if not isinstance(model, Mapping) or "name" not in model:
        problems.lines.append(f"model.name: missing; there is: {', '.join(models.names())}")
        return None
    try:
        return models.load(str(model["name"])).Config
    except RecipeError as error:
        problems.lines.append(str(error))
        return None


def _loss_class(values: Mapping[str, Any]) -> type[BaseModel] | None:
    """Config class of the task's loss, or none where the task is not one."""
    task = values.get("task")
    return tasks.loss_config(task) if task in ("classification", "segmentation") else None
