"""What the API answers, as OpenAPI shows it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from glioray.data.records import TaskName
from glioray.explain.methods import Method
from glioray.registry.bundle import BundleConfig, Calibration, Score
from glioray.registry.card import NOT_A_DEVICE
from glioray.registry.store import Published
from glioray.serving.drawing import colors_of
from glioray.serving.explaining import known_methods
from glioray.serving.turns import ReplicaState


class Frozen(BaseModel):
    """What an answer and its parts are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelInfo(Frozen):
    """A served model: what it answers, what it learned from, how good it is."""

    name: str
    version: int
    aliases: tuple[str, ...]
    task: TaskName
    architecture: str = Field(description="name of the model file; of an average, of every member")
    channels: tuple[str, ...] = Field(description="what an image must hold, in this order")
    image_size: int = Field(description="px that an image is scaled to; send it in any size")
    classes: tuple[str, ...] = ()
    labels: dict[str, int] = Field({}, description="segmentation: the value of each label in the mask")
    regions: dict[str, tuple[str, ...]] = Field({}, description="segmentation: labels that count together")
    colors: dict[str, str] = Field({}, description="segmentation: how each label is drawn")
    explanations: tuple[Method, ...] = Field((), description="of a classifier: what `explain` may ask for")
    scores: tuple[Score, ...]
    calibration: Calibration | None = Field(None, description="of a classifier: what made its confidence honest")
    data_fingerprint: str
    canary_share: float | None = Field(
        None, description="of the requests that name no version, which it answers while it is tried; none: the rest"
    )
    leak: str | None = Field(description="how many test images have a copy in training, of a published split")
    synthetic: bool = Field(description="learned from a phantom, not from patients")
    notice: str

    @property
    def reference(self) -> str:
        """NAME@VERSION, which always means the same bundle."""
        return f"{self.name}@{self.version}"

    @classmethod
    def of(cls, published: Published, config: BundleConfig) -> ModelInfo:
        """Of a version in the registry."""
        contents = config.contents
        return cls(
            name=published.name,
            version=published.version,
            aliases=published.aliases,
            task=contents.task,
            architecture=config.architecture,
            channels=contents.channels,
            image_size=config.signature.image_size,
            classes=contents.classes,
            labels=contents.labels,
            regions=contents.regions,
            colors=colors_of(contents.labels),
            explanations=known_methods(config),
            scores=config.scores,
            calibration=config.calibration,
            data_fingerprint=config.data_fingerprint,
            leak=config.leak,
            synthetic=contents.synthetic,
            notice=notice(contents.synthetic),
        )


class Models(Frozen):
    """Every served model."""

    models: tuple[ModelInfo, ...]


class Replicas(Frozen):
    """Every process that answers, and what with."""

    replicas: dict[str, ReplicaState]


class Readiness(Frozen):
    """Whether every model answers."""

    ready: bool
    models: dict[str, bool]


class _Answer(Frozen):
    model: str
    version: int
    elapsed_ms: float
    notice: str
    in_domain: bool | None = Field(
        None, description="whether the image is like those that the model learned from; absent where that is not known"
    )
    picture: str | None = Field(None, description="with `picture=true`: the slice in grey, a PNG as data URI")


class Explanation(Frozen):
    """Where the image counted. It shows what the model used, not where a tumor is, nor that the answer is right."""

    method: Method
    label: str = Field(description="the class that is explained: the one answered; attention is alike for every class")
    overlay: str = Field(description="the slice in grey, the more orange the more it counted, a PNG as data URI")
    peak: tuple[int, int] | None = Field(
        None,
        description="row and column of the highest place in the image that was sent; absent where nothing speaks for "
        "the class",
    )


class ClassifyAnswer(_Answer):
    """The class of one image."""

    label: str
    confidence: float
    probabilities: dict[str, float]
    explanation: Explanation | None = Field(None, description="with `explain=`")


class LabelArea(Frozen):
    """How much of the image a label covers."""

    value: int = Field(description="its value in the mask")
    pixels: int
    area_share: float = Field(description="of all pixels of the image, 0..1")


class Mask(Frozen):
    """A label map as runs of equal pixels, row after row from the top left; the counts add up to the pixels.

    In numpy: `np.repeat(values, counts).reshape(shape)`.
    """

    shape: tuple[int, int] = Field(description="height and width of the image that was sent")
    values: list[int]
    counts: list[int]


class SegmentAnswer(_Answer):
    """The labels of one slice."""

    labels: dict[str, LabelArea]
    mask: Mask
    scaled_by: str = Field(
        description="what brought the intensities to the model's scale: `the sender`, with `scaled=true`, or `this "
        "slice alone`, which is only near to the scale of its volume that the model learned from"
    )
    uncertainty: str | None = Field(
        None,
        description="with `uncertainty=true`: a PNG as data URI, 255 times the entropy in bits of the mean probability "
        "over four mirrored copies. It shows where the model wavers; it is no probability of error",
    )
    mean_uncertainty: float | None = Field(
        None, description="its mean, 0..1, inside the labels; absent where none was found"
    )


def notice(synthetic: bool) -> str:
    """What stands in every answer."""
    return f"{NOT_A_DEVICE} SYNTHETIC: learned from a phantom, not from patients." if synthetic else NOT_A_DEVICE
