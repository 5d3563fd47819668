"""A trained model as a folder: `model.safetensors`, `config.json`, `MODEL_CARD.md`, and `domain.safetensors`.

Everything that is needed to answer with it stands in the folder, and nothing in it is code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from glioray.data.folder import atomic_folder
from glioray.data.manifest import Normalization
from glioray.data.prepared import PreparedDataset
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.errors import BundleError, ModelError, RecipeError
from glioray.frozen import Frozen
from glioray.network import build_network
from glioray.plain_values import from_json
from glioray.recipe import Answer, Recipe
from glioray.registry.averaged import Averaged
from glioray.registry.card import render_card
from glioray.schema import require_version

SCHEMA_VERSION = 1
REMEDY = "train it again with its recipe, `glioray train RECIPE`, and publish that: `glioray publish RUN NAME`."
WEIGHTS, DOMAIN, CONFIG, CARD = "model.safetensors", "domain.safetensors", "config.json", "MODEL_CARD.md"
Flips = Literal["none", "horizontal", "both"]


class Score(Frozen):
    """One figure with all that it takes to believe it."""

    name: str
    value: float
    low: float | None = Field(None, description="lower end of the 95 % interval")
    high: float | None = Field(None, description="upper end of the 95 % interval")
    split: str = Field(description="val or test, and which kind of split")
    units: int = Field(description="how many patients or groups it is over")
    unit: str = Field(description="patients or groups")
    seed: int | tuple[int, ...] = Field(description="of the training; one for each member of an average")

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of its interval, where it has both."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class Calibration(Frozen):
    """How sure the answers may be: the val side chose a temperature (Guo 2017, arXiv 1706.04599)."""

    temperature: float = Field(gt=0, description="by which the logarithms of the probabilities are divided")
    ece_before: float = Field(description="expected calibration error on val without it, 15 bins")
    ece_after: float = Field(description="with it; chosen there, so that the one on test is the one to believe")
    units: int
    unit: str = Field(description="patients or groups")


class Member(Frozen):
    """A model as it was before it became part of an average."""

    recipe: dict[str, Any]
    normalization: Normalization
    data_fingerprint: str
    leak: str | None
    epoch: int
    scores: tuple[Score, ...]
    versions: dict[str, str]


class BundleConfig(Frozen):
    """All of a bundle but its weights. Of an average, `recipe` and `epoch` are those of its first member."""

    schema_version: int = SCHEMA_VERSION
    recipe: dict[str, Any]
    signature: Signature
    contents: Contents
    preprocessing: Preprocessing
    normalization: Normalization
    data_fingerprint: str = Field(description="of an average over several data sets or folds: all of them, joined by +")
    source_hash: str = Field(description="of the raw scans, whatever their split")
    learned_from: tuple[str, ...] = Field((), description="hash of each case of train and val: they must not test it")
    leak: str | None = Field(description="the leak line of a published split, else none")
    epoch: int = Field(description="the epoch that validation chose, from 1")
    smallest_part_px: int = Field(0, ge=0, description="parts of a mask below this are removed; validation chose it")
    calibration: Calibration | None = Field(None, description="of a classifier that was evaluated")
    members: tuple[Member, ...] = Field((), description="the models whose probabilities are averaged; none of a single")
    scores: tuple[Score, ...] = ()
    versions: dict[str, str]

    @classmethod
    def of(cls, recipe: Recipe, data: PreparedDataset, epoch: int, smallest_part_px: int = 0) -> BundleConfig:
        """Of a network that was trained with a recipe on prepared data, in the view of its fold."""
        manifest = data.manifest
        return cls(
            recipe=recipe.values(),
            signature=data.signature,
            contents=manifest.contents,
            preprocessing=manifest.settings.preprocessing,
            normalization=manifest.normalization,
            data_fingerprint=manifest.fingerprint,
            source_hash=manifest.settings.source_hash,
            learned_from=tuple(sorted(data.case_hashes("train") | data.case_hashes("val"))),
            leak=str(manifest.leak) if manifest.leak else None,
            epoch=epoch,
            smallest_part_px=smallest_part_px,
            versions=versions(),
        )

    @model_validator(mode="after")
    def _signature_is_of_the_data(self) -> BundleConfig:
        contents = self.contents
        wanted = Signature(len(contents.channels), len(contents.outputs), self.preprocessing.image_size)
        if self.signature != wanted:
            raise ValueError(f"signature is {self.signature}, contents and preprocessing are of {wanted}")
        return self

    @property
    def architecture(self) -> str:
        """Name of the model file, or `average of 2: custom_cnn, custom_cnn`."""
        names = [str(recipe["model"]["name"]) for recipe in self.recipes]
        return f"average of {len(names)}: {', '.join(names)}" if self.members else names[0]

    @property
    def seed(self) -> int | tuple[int, ...]:
        """Of the training; of an average, one for each member."""
        seeds = tuple(int(recipe["seed"]) for recipe in self.recipes)
        return seeds if self.members else seeds[0]

    @property
    def temperature(self) -> float:
        """Of the probabilities; 1 leaves them as the network gives them."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def flips(self) -> Flips:
        """Mirrored copies that the answer is averaged over."""
        return Answer.model_validate(self.recipe.get("answer", {})).flips  # the first bundles have no such section

    @property
    def checked_recipe(self) -> Recipe:
        """That of the network, or of the first member, with what an older one leaves to its default."""
        return Recipe.from_values(self.recipe, "bundle")

    @property
    def data_place(self) -> str:
        """Where the data lay that it was trained on: a path or an address."""
        return str(self.recipe["data"]["path"])

    @property
    def recipes(self) -> tuple[dict[str, Any], ...]:
        """Of each network that answers."""
        return tuple(member.recipe for member in self.members) or (self.recipe,)


@dataclass(frozen=True)
class ModelBundle:
    """A trained model and all that it takes to answer with it; weights are float32 on the CPU."""

    config: BundleConfig
    weights: Mapping[str, Tensor]
    domain: Mapping[str, Tensor] = field(default_factory=dict)
    """what images it knows, see `serving/domain.py`; empty of one that was never evaluated"""

    def build(self) -> nn.Module:
        """The network with its weights, in eval mode.

        Raises:
            BundleError: the weights are not those of the architecture that the config names.
        """
        try:
            _require_shapes(self.config, self.weights)
            model = fresh_network(self.config)
            model.load_state_dict(dict(self.weights))
        except (RuntimeError, ModelError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BundleError(f"weights do not fit {self.config.architecture!r}: {reason}") from None
        return model.eval()

    def with_scores(self, scores: tuple[Score, ...]) -> ModelBundle:
        """The same model with other figures in its config and on its card."""
        return replace(self, config=self.config.model_copy(update={"scores": scores}))

    def save(self, folder: Path) -> None:
        """Writes the folder whole or not at all; an older one there is replaced."""
        with atomic_folder(folder) as partial:
            weights = {name: tensor.contiguous() for name, tensor in self.weights.items()}
            (partial / WEIGHTS).write_bytes(safetensors.torch.save(weights))
            if self.domain:
                (partial / DOMAIN).write_bytes(safetensors.torch.save(dict(self.domain)))
            (partial / CONFIG).write_text(self.config.model_dump_json(indent=2) + "\n")
            (partial / CARD).write_text(render_card(self.config))

    @classmethod
    def load(cls, folder: Path) -> ModelBundle:
        """Reads a folder that `save` wrote.

        Raises:
            BundleError: a file is missing, damaged, or of another version.
        """
        config = _read_config(folder / CONFIG)
        domain = _read_tensors(folder / DOMAIN) if (folder / DOMAIN).exists() else {}
        return cls(config, _read_tensors(folder / WEIGHTS), domain)


def are_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether the weights of two models are the same to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def versions() -> dict[str, str]:
    """What made this bundle."""
    import glioray

    return {"glioray": glioray.__version__, "torch": torch.__version__}


def fresh_network(config: BundleConfig) -> nn.Module:
    """The network of a bundle, with fresh weights; raises as `build_network`."""
    recipes = [Recipe.from_values(recipe, "bundle") for recipe in config.recipes]
    networks = [build_network(recipe, config.contents, config.signature) for recipe in recipes]
    if not config.members:
        return networks[0]
    normalizations = [member.normalization for member in config.members]
    return Averaged(networks, normalizations, is_exclusive=config.contents.task == "classification")


def _require_shapes(config: BundleConfig, weights: Mapping[str, Tensor]) -> None:
    """Refuses weights of another network before that is made: a config can name one larger than the memory."""
    try:
        with torch.device("meta"):
            network = fresh_network(config)
    except ModelError:
        return  # of MONAI some cannot be made without values; and what is wrong with others, making them says
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            asked, there = wanted.get(name, "not there"), found.get(name, "missing")
            raise BundleError(f"weights do not fit {config.architecture!r}: {name!r} is {there}, wanted {asked}")


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise BundleError(f"{path}: no such file; the bundle is not whole, publish it again") from None
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path}: damaged ({error}); publish the bundle again") from None
    return tensors


def _read_config(path: Path) -> BundleConfig:
    if not path.is_file():
        raise BundleError(f"{path}: no such file; {path.parent} is not a bundle of glioray")
    try:
        content = from_json(path.read_text())
        require_version(content, SCHEMA_VERSION, f"{path}: bundle", REMEDY, BundleError)
        config = BundleConfig.model_validate(content)
        for recipe in (config.recipe, *config.recipes):
            Recipe.from_values(recipe, str(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {where}: {first['msg']}; publish the bundle again") from None
    except (ValueError, OSError, RecursionError, RecipeError) as error:
        raise BundleError(f"{path}: damaged ({error}); publish the bundle again") from None
    return config
