"""Images of a classification batch mixed with each other, and their classes with them, by torchvision's v2."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from glioray.data.augmentation import Augmentation


def mix(batch: Mapping[str, Tensor], settings: Augmentation, num_classes: int) -> dict[str, Tensor]:
    """The batch with each `image` mixed with the one before it, and `soft_label` (B,K), the share of each class.

    One draw decides for the whole batch whether and how. `label` stays as it was; without mixing there is no
    `soft_label`.

    Source: Zhang 2018, arXiv 1710.09412; Yun 2019, arXiv 1905.04899; one of the two for a batch, as timm does.
    """
    if not settings.is_mixing or torch.rand(()) >= settings.mix_probability:
        return dict(batch)
    import glioray._torchvision  # noqa: F401  isort: skip  # before torchvision
    from torchvision.transforms import v2  # takes two seconds to import, and few recipes mix

    alphas = {v2.MixUp: settings.mixup, v2.CutMix: settings.cutmix}
    kinds = [kind(alpha=alpha, num_classes=num_classes) for kind, alpha in alphas.items() if alpha]
    images, shares = kinds[int(torch.randint(len(kinds), ()))](batch["image"].float(), batch["label"])
    return {**batch, "image": images.round().to(torch.uint8), "soft_label": shares}
