"""From a file's bytes to an answer: the one path of the service, of evaluation and of the demo. No Ray.

N images, C channels, K outputs, H x W raw pixels, S x S prepared ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glioray.data.dicom.single import is_dicom_content, read_slice
from glioray.data.image_file import NPY_MAGIC, decode_image, decode_slice, stretched
from glioray.data.preprocessing import Frame, Preprocessing, normalize, prepare_volume, restore_mask
from glioray.errors import ModelError
from glioray.models._fold import folded
from glioray.registry.bundle import BundleConfig, Flips, ModelBundle
from glioray.serving.domain import Domain
from glioray.tasks import _contract as tasks
from glioray.tasks.clean_up import remove_small
from glioray.tasks.segmentation import Segmentation

Precision = Literal["fp32", "bf16"]
MIRRORED_AXES: dict[str, tuple[tuple[int, ...], ...]] = {
    "none": ((),),
    "horizontal": ((), (-1,)),
    "both": ((), (-1,), (-2,), (-2, -1)),
}


@dataclass(frozen=True)
class PreparedSlice:
    """One image as the model sees it: (C,S,S) uint8, and where in the raw picture it lay."""

    image: NDArray[np.uint8]
    frame: Frame


@dataclass(frozen=True)
class Classified:
    """The most probable class, and the probability of every one, in the order of the model's outputs.

    `in_domain` is whether the image is like those that the model learned from; none where that is not known.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    in_domain: bool | None = None


@dataclass(frozen=True)
class Segmented:
    """A label map (H,W) uint8 in the raw picture's grid, 0 for no label, and the pixels of each label.

    `in_domain` as in `Classified`.
    """

    mask: NDArray[np.uint8]
    pixels: dict[str, int]
    in_domain: bool | None = None


@dataclass(frozen=True)
class Predictor:
    """A network in eval mode with all that it takes to answer with it."""

    network: nn.Module
    config: BundleConfig
    task: tasks.Task
    device: torch.device
    precision: Precision = "fp32"
    domain: Domain | None = None

    @classmethod
    def load(cls, bundle: ModelBundle, device: str | torch.device = "cpu", precision: Precision = "fp32") -> Predictor:
        """Of a bundle, its network on the device, with every BatchNorm folded into the convolution before it.

        Raises:
            BundleError: its weights or its domain are not of the network that it names.
        """
        task = tasks.build(bundle.config.contents, bundle.config.checked_recipe.loss, num_patients=1)
        place = torch.device(device)
        network = folded(bundle.build()).to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        domain = Domain.of_tensors(bundle.domain, bundle.config.signature.in_channels)
        return cls(network, bundle.config, task, place, precision, domain)

    def decode(self, content: bytes, name: str) -> NDArray[Any]:
        """(C,H,W) of a file, grey where the model takes one channel.

        Raises:
            UnreadableError: no picture of a known format, or a damaged one.
            DataError: DICOM that is no MR image.
        """
        if is_dicom_content(content):
            values = read_slice(content, name)
            return stretched(values) if self.config.preprocessing.intensity == "as_is" else values
        if self.config.signature.in_channels == 1 and not content.startswith(NPY_MAGIC):
            return decode_image(content, name)
        return decode_slice(content, name)

    def prepare(self, raw: NDArray[Any], is_scaled: bool = False) -> PreparedSlice:
        """One raw image (C,H,W), prepared as the training images were.

        Args:
            raw: any number type.
            is_scaled: 8-bit pixels that carry the scale of their volume, as rows of shards do. Else a slice is scaled
                on its own, which for a slice of a volume is only near to what the model learned from.

        Raises:
            ModelError: the number of channels is not the model's, or the pixels have another scale.
            DataError: the pixels cannot be prepared.
        """
        return self.prepare_slices(raw[None], is_scaled)[0]

    def prepare_slices(self, volume: NDArray[Any], is_scaled: bool = False) -> list[PreparedSlice]:
        """All slices (N,C,H,W) of one volume, on the one scale of the volume; raises as `prepare`."""
        self._require_channels(volume)
        prepared = prepare_volume(volume, self._preprocessing(volume.dtype, is_scaled))
        return [PreparedSlice(image, prepared.frame) for image in prepared.image]

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """Probabilities (N,K) or (N,K,S,S), float32 on the CPU, of prepared images (N,C,S,S) uint8.

        Where the recipe asks for it, the mean over mirrored copies, each mirrored back. Those of classes have the
        temperature that validation chose.

        Raises:
            ModelError: the images have another shape than those that the model learned from.
        """
        return tempered(self.mirrored_mean(images, self.config.flips), self.config.temperature).cpu()

    @torch.inference_mode()
    def mirrored_mean(self, images: Tensor, flips: Flips) -> Tensor:
        """As `predict`, but before any temperature, on the device, and over the copies that are asked for."""
        pixels = self.normalized(images)
        return torch.stack([self._probabilities(pixels, axes) for axes in MIRRORED_AXES[flips]]).mean(dim=0)

    @torch.inference_mode()
    def classified(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `predict` gives of classes (N,K), and the logits (N,K) behind it.

        The logits are the mean over the same mirrored copies, before any temperature. Of an average they are the
        logarithms of the mean probability, up to what all classes share: see `registry/averaged.py`.
        """
        pixels = self.normalized(images)
        logits = torch.stack([self._logits(pixels, axes) for axes in MIRRORED_AXES[self.config.flips]])
        probabilities = torch.stack([self.task.probabilities(copy).float() for copy in logits]).mean(dim=0)
        return tempered(probabilities, self.config.temperature).cpu(), logits.mean(dim=0).cpu()

    def normalized(self, images: Tensor) -> Tensor:
        """(N,C,S,S) float32 on the device, as the network takes them; raises as `predict`."""
        self._require_shape(images)
        return normalize(images.to(self.device), self.config.normalization)

    def is_known(self, images: Tensor) -> list[bool | None]:
        """Of prepared images (N,C,S,S): whether each is like those that the model learned from; none: not known."""
        if self.domain is None:
            return [None] * len(images)
        return [bool(distance <= 1) for distance in self.domain.distance(images)]

    def label_map(self, probabilities: Tensor) -> Tensor:
        """(N,S,S) uint8 of what `predict` gave, without the parts that are too small to be believed."""
        labels = cast(Segmentation, self.task).label_map(probabilities)
        return remove_small(labels, self.config.smallest_part_px)

    def classify(self, raw: NDArray[Any]) -> Classified:
        """The class of one raw image (C,H,W); raises as `prepare`."""
        return self.classify_batch([self.prepare(raw)])[0]

    def segment(self, raw: NDArray[Any], is_scaled: bool = False) -> Segmented:
        """The label of every pixel of one raw image (C,H,W); takes and raises what `prepare` does."""
        return self.segment_batch([self.prepare(raw, is_scaled)])[0]

    def classify_batch(self, slices: Sequence[PreparedSlice]) -> list[Classified]:
        """The class of each; the same as one by one but for float32 rounding."""
        classes = self.config.contents.classes
        images = stacked(slices)
        answers = []
        for row, is_known in zip(self.predict(images), self.is_known(images), strict=True):
            best = int(row.argmax())
            probabilities = dict(zip(classes, row.tolist(), strict=True))
            answers.append(Classified(classes[best], float(row[best]), probabilities, is_known))
        return answers

    def segment_batch(self, slices: Sequence[PreparedSlice]) -> list[Segmented]:
        """The label map of each, back in its raw picture's grid."""
        images = stacked(slices)
        labels = self.label_map(self.predict(images)).numpy()
        found = zip(labels, slices, self.is_known(images), strict=True)
        return [self._segmented(mask, prepared.frame, is_known) for mask, prepared, is_known in found]

    def _probabilities(self, pixels: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Of the images mirrored along some axes; a map of pixels is mirrored back."""
        probabilities = self.task.probabilities(self._logits(pixels, axes)).float()
        return probabilities.flip(axes) if probabilities.ndim == 4 else probabilities

    def _logits(self, pixels: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Float32, of the images mirrored along some axes, and not mirrored back."""
        mirrored = pixels.flip(axes).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.network(mirrored)
        return logits.float()  # type: ignore[no-any-return]

    def _segmented(self, mask: NDArray[np.uint8], frame: Frame, is_known: bool | None) -> Segmented:
        restored = restore_mask(mask, frame)
        counts = np.bincount(restored.ravel(), minlength=256)
        pixels = {name: int(counts[value]) for name, value in self.config.contents.labels.items()}
        return Segmented(restored, pixels, is_known)

    def _preprocessing(self, dtype: np.dtype[Any], is_scaled: bool) -> Preprocessing:
        """The bundle's, with the scaling that these pixels still need."""
        preprocessing = self.config.preprocessing
        if is_scaled and dtype != np.uint8:
            raise ModelError(f"scaled pixels are 8-bit, these are {dtype}: send uint8, or leave the scaling to us")
        if is_scaled:
            return preprocessing.model_copy(update={"intensity": "as_is"})
        if preprocessing.intensity == "as_is" and dtype != np.uint8:
            raise ModelError(f"the model was trained on 8-bit pixels, these are {dtype}: scale them to 0..255, uint8")
        return preprocessing

    def _require_shape(self, images: Tensor) -> None:
        """One channel would be taken for all of them, since the normalization has one value a channel."""
        signature = self.config.signature
        expected = (signature.in_channels, signature.image_size, signature.image_size)
        if tuple(images.shape[1:]) != expected:
            raise ModelError(
                f"the model takes prepared images of (channels, height, width) {expected}, these are "
                f"{tuple(images.shape[1:])}: prepare them with the settings of the model's own data"
            )

    def _require_channels(self, volume: NDArray[Any]) -> None:
        channels = self.config.contents.channels
        if volume.ndim != 4 or volume.shape[1] != len(channels):
            found = f"{volume.shape[1]} channels" if volume.ndim == 4 else f"shape {volume.shape[1:]}"
            raise ModelError(
                f"the model takes {len(channels)} channels ({', '.join(channels)}), the image has {found}: "
                "send them as one TIFF with a page for each, or as .npy (channels, height, width)"
            )


def tempered(probabilities: Tensor, temperature: float) -> Tensor:
    """(N,K), each row summing to one, less sure above a temperature of 1; the order within a row stays.

    It is that of the probabilities, not of the logits: those of mirrored copies and of averages have no common ones.
    """
    if temperature == 1:
        return probabilities
    tiny = torch.finfo(torch.float32).tiny
    return (probabilities.clamp(min=tiny).log() / temperature).softmax(dim=1)


def stacked(slices: Sequence[PreparedSlice]) -> Tensor:
    """(N,C,S,S) uint8."""
    return torch.from_numpy(np.stack([prepared.image for prepared in slices]))
