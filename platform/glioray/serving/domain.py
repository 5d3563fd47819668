"""Whether an image is of the kind that a model learned from: how far its look is from that of the training images.

The look is what a person would compare at a glance: where edges lie and in which direction, how much there is of each
grey, and how rough the surfaces are. Training images lie near a flat space of few dimensions; the distance of an image
is its Mahalanobis distance within that space and its distance from it, each by what is usual. It is the same for every
architecture, and needs no pass through the network.

Sources: Turk 1991, "Eigenfaces for Recognition", doi:10.1162/jocn.1991.3.1.71 (distance from and in the space); Lee
2018, arXiv 1807.03888 (Mahalanobis distance, threshold on images of the known kind); Dalal 2005,
doi:10.1109/CVPR.2005.177 (gradients by cell).

Shapes: N images, C channels, S x S pixels, D figures of a look, A axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from glioray.errors import BundleError

KNOWN_SHARE = 0.95
"""of images of the known kind that the space was made without are within the threshold"""
MOST_AXES = 32
GROUPS_AN_AXIS = 2  # patients differ in fewer ways than their slices seem to
HOLD_OUTS = 5
LEAST_IMAGES, LEAST_GROUPS = 64, 2 * HOLD_OUTS
EDGE_PX, CELL_PX = 64, 8
NUM_GREYS = 32
NUM_STEPS, STEPS_A_UNIT = 16, 64  # of the histogram of differences between neighbors
ROUGHNESS_SCALES = (1, 2, 4)
PARTS = (4 * (EDGE_PX // CELL_PX) ** 2, NUM_GREYS, NUM_STEPS * len(ROUGHNESS_SCALES))
"""figures of a channel: edges, greys, roughness"""


@dataclass(frozen=True)
class Domain:
    """The space of looks that a model knows: center (D,), scale (D,), axes (A,D), variance (A,), and two numbers."""

    center: Tensor
    scale: Tensor
    axes: Tensor
    variance: Tensor
    rest: Tensor
    """mean squared distance of training images from the space"""
    threshold: Tensor
    """the distance that KNOWN_SHARE of held-out images do not pass"""

    @classmethod
    def fit(cls, train: Tensor, groups: Tensor, val: Tensor) -> Domain | None:
        """The space of the looks of train, and what is usual in images that a space was made without.

        Those are the val side, and each fifth of the training groups with the space of the other four: val alone may be
        a few patients, who say little of the next one.

        Args:
            train: (N,D).
            groups: (N,) of each.
            val: (M,D).

        Returns:
            None where there are fewer than LEAST_IMAGES or LEAST_GROUPS: too few to say what is usual.
        """
        names = torch.unique(groups)
        if len(train) < LEAST_IMAGES or len(names) < LEAST_GROUPS:
            return None
        space = cls._space(train, len(names))
        distances = [space._raw(val)]
        for turn in range(HOLD_OUTS):
            is_out = torch.isin(groups, names[turn::HOLD_OUTS])
            others = cls._space(train[~is_out], len(names) - len(names[turn::HOLD_OUTS]))
            distances.append(others._raw(train[is_out]))
        return replace(space, threshold=torch.cat(distances).quantile(KNOWN_SHARE))

    @classmethod
    def _space(cls, looks: Tensor, num_groups: int) -> Domain:
        """Of looks (N,D), without a threshold."""
        center = looks.mean(dim=0)
        # Each kind of figure weighs the same, whatever its unit and number.
        parts = torch.split(looks - center, _part_lengths(looks.shape[1]), dim=1)
        scale = torch.cat([torch.full_like(part[0], float(part.square().sum(1).mean().sqrt())) for part in parts])
        scale = scale.clamp(min=1e-6)
        spread = ((looks - center) / scale).double()
        variance, directions = torch.linalg.eigh(spread.T @ spread / len(spread))
        variance, directions = variance.flip(0).clamp(min=1e-12).float(), directions.flip(1).float()
        num_axes = min(MOST_AXES, num_groups // GROUPS_AN_AXIS)
        axes = directions[:, :num_axes].T.contiguous()
        return cls(center, scale, axes, variance[:num_axes], variance[num_axes:].sum(), torch.tensor(1.0))

    def distance(self, images: Tensor) -> Tensor:
        """(N,) of prepared images (N,C,S,S) uint8; above 1 one is of another kind, as a single grey always is."""
        images = images.cpu()
        found = self._raw(look(images)) / self.threshold
        return found.masked_fill(images.flatten(1).amax(1) == images.flatten(1).amin(1), torch.inf)

    def tensors(self) -> dict[str, Tensor]:
        """As `of_tensors` takes it."""
        return dict(vars(self))

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], num_channels: int) -> Domain | None:
        """What the bundle of a model of so many channels holds; none where it holds nothing.

        Raises:
            BundleError: a part is missing or of another shape.
        """
        if not tensors:
            return None
        names = {field.name for field in fields(cls)}
        if set(tensors) != names:
            raise BundleError(
                f"the bundle's domain has {sorted(tensors)}, expected {sorted(names)}; evaluate the run anew"
            )
        domain = cls(**tensors)
        shapes = [tuple(part.shape) for part in (domain.center, domain.scale, domain.variance, domain.rest)]
        num_axes, num_figures = domain.axes.shape if domain.axes.ndim == 2 else (0, 0)
        if shapes != [(num_figures,), (num_figures,), (num_axes,), ()] or domain.threshold.ndim:
            raise BundleError("the parts of the bundle's domain do not fit together; evaluate the run anew")
        if num_figures != (wanted := num_channels * sum(PARTS)):
            raise BundleError(
                f"the bundle's domain is of {num_figures} figures, the {num_channels} channels of its model have "
                f"{wanted}; evaluate the run anew"
            )
        return domain

    def _raw(self, looks: Tensor) -> Tensor:
        """(N,) of looks (N,D), without the threshold."""
        spread = (looks - self.center) / self.scale
        within = spread @ self.axes.T
        outside = (spread.square().sum(1) - within.square().sum(1)).clamp(min=0)
        return (within.square() / self.variance).mean(1) + outside / self.rest.clamp(min=1e-12)


def look(images: Tensor) -> Tensor:
    """(N,D) float32 of prepared images (N,C,S,S) uint8: edges, greys and roughness, each a third."""
    return torch.cat(_parts(images), dim=1)


def _parts(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    unit = images.float() / 255
    return _edges(unit), _greys(images), _roughness(unit)


def _part_lengths(num_figures: int) -> list[int]:
    """Figures of each part, of all channels, in the order of `look`."""
    return [length * (num_figures // sum(PARTS)) for length in PARTS]


def _edges(unit: Tensor) -> Tensor:
    """Root of the mean gradient to the right, left, bottom and top in each cell."""
    small = F.interpolate(unit, size=(EDGE_PX, EDGE_PX), mode="area")
    across = F.pad(small[..., :, 2:] - small[..., :, :-2], (1, 1))
    down = F.pad(small[..., 2:, :] - small[..., :-2, :], (0, 0, 1, 1))
    directions = torch.cat([across.clamp(min=0), (-across).clamp(min=0), down.clamp(min=0), (-down).clamp(min=0)], 1)
    return F.avg_pool2d(directions, CELL_PX).sqrt().flatten(1)


def _greys(images: Tensor) -> Tensor:
    """Root of the share of pixels that have each grey."""
    return _shares(images.long() // (256 // NUM_GREYS), NUM_GREYS)


def _roughness(unit: Tensor) -> Tensor:
    """Root of the share of pixels that differ by each step from their neighbors, at several scales."""
    found = []
    for scale in ROUGHNESS_SCALES:
        small = F.avg_pool2d(unit, scale) if scale > 1 else unit
        corner = small[..., :-1, :-1]
        steps = (small[..., 1:, :-1] - corner).abs() + (small[..., :-1, 1:] - corner).abs()
        found.append(_shares((steps * STEPS_A_UNIT).long().clamp(max=NUM_STEPS - 1), NUM_STEPS))
    return torch.cat(found, dim=1)


def _shares(bins: Tensor, num_bins: int) -> Tensor:
    """(N,C*num_bins) root of the share of pixels in each bin, of (N,C,H,W) int64."""
    num_images, num_channels, height, width = bins.shape
    planes = num_images * num_channels
    offset = torch.arange(planes).reshape(num_images, num_channels, 1, 1) * num_bins
    counts = torch.bincount((bins + offset).flatten(), minlength=planes * num_bins)
    shares = counts.reshape(num_images, num_channels * num_bins) / (height * width)
    return shares.sqrt()
