"""The seven networks as one would first write them down: the reference for speed, and for `tests/benchmarks`.

Layer after layer in plain modules, NCHW, fp32, eager: no memory format, no own gradients, no fused kernels, nothing
shared with `glioray.models` but the order in which the parameters are declared, so that weights of one fit the other.

Sources: those of `platform/glioray/models`; sizes as of the course project that glioray continues.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NAMES = ("custom_cnn", "alexnet", "vgg16", "vit", "classic_unet", "improved_unet", "attention_unet")


def plain(name: str, in_channels: int, out_channels: int, filters: int = 16) -> nn.Module:
    """A network with fresh weights; the classifiers are for images of 128 px."""
    build: dict[str, Callable[[], nn.Module]] = {
        "custom_cnn": lambda: custom_cnn(in_channels, out_channels),
        "alexnet": lambda: alexnet(in_channels, out_channels),
        "vgg16": lambda: vgg16(in_channels, out_channels),
        "vit": lambda: vit(in_channels, out_channels),
        "classic_unet": lambda: ClassicUNet(in_channels, out_channels, filters),
        "improved_unet": lambda: SeparableUNet(in_channels, out_channels, filters, gated=False),
        "attention_unet": lambda: SeparableUNet(in_channels, out_channels, filters, gated=True),
    }
    return build[name]()


def take_weights(of: nn.Module, to: nn.Module) -> None:
    """Copies weights and running figures one after the other, whatever their names are."""
    to.load_state_dict(dict(zip(to.state_dict(), of.state_dict().values(), strict=True)))


def custom_cnn(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 96, 9, stride=4), nn.BatchNorm2d(96), nn.Mish(), nn.MaxPool2d(2),
        nn.Conv2d(96, 256, 5), nn.BatchNorm2d(256), nn.Mish(), nn.MaxPool2d(2),
        nn.Conv2d(256, 384, 3, padding=1), nn.BatchNorm2d(384), nn.Mish(),
        nn.Conv2d(384, 256, 3, padding=1), nn.BatchNorm2d(256), nn.Mish(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 512), nn.Mish(), nn.Dropout(0.4), nn.Linear(512, 128), nn.Mish(), nn.Dropout(0.4),
        nn.Linear(128, out_channels),
    )  # fmt: skip


def alexnet(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 96, 9, stride=4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(96, 256, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 128), nn.ReLU(),
        nn.Linear(128, out_channels),
    )  # fmt: skip


def vgg16(in_channels: int, out_channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    before = in_channels
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers += [nn.MaxPool2d(2)]
    head = [
        nn.Linear(512 * 4 * 4, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, out_channels),
    ]  # fmt: skip
    return nn.Sequential(*layers, nn.Flatten(), *head)


def vit(in_channels: int, out_channels: int) -> nn.Module:
    """timm's own, whose attention is written out as products and a softmax."""
    from timm.models.vision_transformer import VisionTransformer

    network = VisionTransformer(
        img_size=128, patch_size=16, in_chans=in_channels, num_classes=out_channels, embed_dim=512, depth=10,
        num_heads=8, mlp_ratio=2, pos_drop_rate=0.2, proj_drop_rate=0.2,
    )  # fmt: skip
    for block in network.blocks:
        block.attn.fused_attn = False
    return network


class ClassicUNet(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, n: int) -> None:
        super().__init__()
        self.down1, self.down2 = convolutions(in_channels, n, n), convolutions(n, 2 * n, 2 * n)
        self.down3, self.down4 = convolutions(2 * n, 4 * n, 4 * n), convolutions(4 * n, 8 * n, 8 * n)
        self.bottom = convolutions(8 * n, 16 * n, 8 * n)
        self.up4, self.up3 = convolutions(16 * n, 8 * n, 4 * n), convolutions(8 * n, 4 * n, 2 * n)
        self.up2, self.up1 = convolutions(4 * n, 2 * n, n), convolutions(2 * n, n, n)
        self.head = nn.Conv2d(n, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        one = self.down1(image)
        two = self.down2(F.max_pool2d(one, 2))
        three = self.down3(F.max_pool2d(two, 2))
        four = self.down4(F.max_pool2d(three, 2))
        below = self.bottom(F.max_pool2d(four, 2))
        below = self.up4(torch.cat([four, upsampled(below)], dim=1))
        below = self.up3(torch.cat([three, upsampled(below)], dim=1))
        below = self.up2(torch.cat([two, upsampled(below)], dim=1))
        below = self.up1(torch.cat([one, upsampled(below)], dim=1))
        logits: Tensor = self.head(below)
        return logits


class SeparableUNet(nn.Module):
    """The improved U-Net and, gated, the attention U-Net."""

    def __init__(self, in_channels: int, out_channels: int, n: int, gated: bool) -> None:
        super().__init__()
        self.down1, self.down2 = separable(in_channels, n, n), separable(n, 2 * n, 2 * n)
        self.down3, self.down4 = separable(2 * n, 4 * n, 4 * n), separable(4 * n, 8 * n, 8 * n)
        self.bottom = separable(8 * n, 8 * n, 8 * n)
        self.gates = nn.ModuleList(Gate(width) for width in (8 * n, 4 * n, 2 * n, n) if gated)
        self.up4, self.up3 = separable(8 * n, 4 * n, 4 * n), separable(4 * n, 2 * n, 2 * n)
        self.up2, self.up1 = separable(2 * n, n, n), separable(n, n, n)
        self.head = nn.Conv2d(n, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        one = self.down1(image)
        two = self.down2(F.max_pool2d(one, 2))
        three = self.down3(F.max_pool2d(two, 2))
        four = self.down4(F.max_pool2d(three, 2))
        below = self.bottom(F.max_pool2d(four, 2))
        for level, (block, skip) in enumerate(((self.up4, four), (self.up3, three), (self.up2, two), (self.up1, one))):
            if self.gates:
                skip = skip * self.gates[level](below, skip)
            below = block(skip + upsampled(below))
        logits: Tensor = self.head(below)
        return logits


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1, stride=2)
        self.weigh = nn.Conv2d(width, 1, 1)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        return upsampled(torch.sigmoid(self.weigh(F.relu(self.query(below) + self.key(skip)))))


def convolutions(in_channels: int, middle: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, middle, 3, padding=1), nn.ReLU(), nn.Conv2d(middle, out_channels, 3, padding=1),
        nn.ReLU(),
    )  # fmt: skip


def separable(in_channels: int, middle: int, out_channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((in_channels, middle), (middle, out_channels)):
        hidden = 4 * max(before, after)
        layers += [
            nn.Conv2d(before, before, 7, padding=3, groups=before), nn.BatchNorm2d(before),
            nn.Conv2d(before, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, after, 1),
        ]  # fmt: skip
    return nn.Sequential(*layers)


def upsampled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
