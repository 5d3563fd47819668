"""Grad-CAM: which places of its last feature map speak for a class.

Source: Selvaraju 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
arXiv 1610.02391, equations 1 and 2. Differs from it: a cell is drawn where it looks, see `placing.placed`. A ViT has no
feature map: its tokens are taken for one.

Shapes: B images, C channels, S x S pixels.
"""

from __future__ import annotations

from torch import Tensor, nn

from glioray.explain.placing import placed, scaled
from glioray.models._last_map import last_map


def gradcam(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """(B,S,S) float32 in 0..1, 1 where most speaks for the class; 0 everywhere where nothing does.

    Args:
        model: a classifier on the device of the images; its mode, its parameters and their gradients stay as they are.
        images: (B,C,S,S), as the network takes them.
        classes: (B,) int64, the output of each image that is to be explained, on the same device.

    Raises:
        ModelError: the network has no feature map.
    """
    found = last_map(model, images, lambda logits: logits.gather(1, classes[:, None]))
    weights = found.gradient.mean((2, 3), keepdim=True)
    heat = (weights * found.values).sum(1).relu()
    return scaled(placed(heat, images.shape[-1], found.first_px, found.step_px))
