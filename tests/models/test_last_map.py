from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.models import alexnet, custom_cnn, timm_classifier, vgg16, vit
from glioray.models._fold import folded
from glioray.models._last_map import last_map

TINY_VIT = vit.Config(dim=16, depth=2, heads=2, mlp=16, patch_size=8)


def first_logit(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 0]


def timm(architecture: str) -> nn.Module:
    return timm_classifier.build(timm_classifier.Config(architecture=architecture), Signature(1, 2, 64))


@pytest.mark.parametrize(
    ("build", "size_px", "side"),
    [
        (lambda: custom_cnn.build(custom_cnn.Config(), Signature(1, 2, 128)), 128, 5),
        (lambda: custom_cnn.build(custom_cnn.Config(skip="residual"), Signature(1, 2, 128)), 128, 5),
        (lambda: alexnet.build(alexnet.Config(), Signature(1, 2, 128)), 128, 5),
        (lambda: vgg16.build(vgg16.Config(base_filters=2, head_units=8), Signature(1, 2, 128)), 128, 8),
        (lambda: timm("test_resnet"), 64, 2),
        (lambda: timm("test_efficientnet"), 64, 2),
        (lambda: vit.build(TINY_VIT, Signature(1, 2, 32)), 32, 4),
    ],
)
def test_it_is_the_last_map_before_the_pools_and_the_head(build, size_px, side):
    found = last_map(build(), torch.randn(2, 1, size_px, size_px), first_logit)

    assert found.values.shape == found.gradient.shape
    assert found.values.shape[2:] == (side, side)
    assert found.gradient.any()


def test_the_gradient_is_that_of_the_score():
    """Against differences: the score is linear in what the last layers read."""
    conv, head = nn.Sequential(nn.Conv2d(1, 3, 3)), nn.Sequential(nn.Flatten(), nn.Linear(3 * 36, 2))
    image = torch.randn(1, 1, 8, 8)

    found = last_map(nn.Sequential(conv, head), image, first_logit)

    torch.testing.assert_close(found.values, conv(image).detach())
    torch.testing.assert_close(found.gradient.flatten(), head[1].weight[0].detach())


def test_without_padding_the_cells_lie_where_the_kernels_do():
    """At 128 px: kernel 9 with stride 4, pool, kernel 5, pool; middles 4, 6, 22, 26, and 16 px apart."""
    model = alexnet.build(alexnet.Config(), Signature(1, 2, 128))

    found = last_map(model, torch.randn(1, 1, 128, 128), first_logit)

    assert (found.first_px, found.step_px) == (26, 16)


def test_the_pixels_that_a_cell_depends_on_lie_around_its_middle():
    """The field of the cell in the middle is 117 px wide, so that it ends within the image on both sides."""
    model = alexnet.build(alexnet.Config(), Signature(1, 2, 128)).eval()
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    found = last_map(model, image, first_logit)
    features = model[2][:-1](model[1](model[0](image)))

    (slope,) = torch.autograd.grad(features[0, :, 2, 2].sum(), image)

    columns = slope[0, 0].abs().sum(0).nonzero().flatten()
    assert columns[-1] - columns[0] > 100
    assert abs((columns[0] + columns[-1]) / 2 - (found.first_px + 2 * found.step_px)) <= 4


def test_with_padding_the_map_covers_the_image():
    model = vgg16.build(vgg16.Config(base_filters=2, head_units=8), Signature(1, 2, 128))

    found = last_map(model, torch.randn(1, 1, 128, 128), first_logit)

    assert (found.first_px, found.step_px) == (7.5, 16)


@pytest.mark.parametrize("architecture", ["test_efficientnet", "test_resnet", "densenet121"])
def test_it_is_the_same_map_when_batchnorm_is_folded(architecture):
    model, images = timm(architecture).eval(), torch.randn(2, 1, 64, 64)
    small = folded(model).to(memory_format=torch.channels_last)

    plain = last_map(model, images, first_logit)
    found = last_map(small, images.to(memory_format=torch.channels_last), first_logit)

    torch.testing.assert_close(found.values, plain.values, rtol=1e-4, atol=1e-4)
    assert (found.first_px, found.step_px) == (plain.first_px, plain.step_px)


def test_images_and_callers_in_inference_mode_are_taken():
    model = vit.build(TINY_VIT, Signature(1, 2, 32))
    with torch.inference_mode():
        images = torch.randn(2, 1, 32, 32)

        found = last_map(model, images, first_logit)

        assert torch.is_inference_mode_enabled()
    assert found.gradient.any()


def test_another_thread_that_asks_meanwhile_gets_its_own_answer():
    """The hooks of one thread must neither answer nor be answered by another."""
    model = custom_cnn.build(custom_cnn.Config(), Signature(1, 2, 80)).eval()
    images, others = torch.randn(2, 1, 1, 80, 80).unbind(0)
    with torch.inference_mode():
        expected = model(others)
    alone = last_map(model, images, first_logit)
    answers: list[torch.Tensor] = []

    def ask() -> None:
        with torch.inference_mode():
            answers.append(model(others))

    def score(logits: torch.Tensor) -> torch.Tensor:
        thread = threading.Thread(target=ask)  # while every hook is in its place
        thread.start()
        thread.join()
        return first_logit(logits)

    found = last_map(model, images, score)

    assert torch.equal(answers[0], expected)
    assert answers[0].is_inference()
    torch.testing.assert_close(found.gradient, alone.gradient)


def test_a_network_is_afterwards_what_it_was():
    model = vit.build(TINY_VIT, Signature(1, 2, 32)).train()
    before = state_of(model)

    last_map(model, torch.randn(1, 1, 32, 32), first_logit)

    assert state_of(model) == before
    assert all(weight.grad is None for weight in model.parameters())


def state_of(model: nn.Module) -> list[object]:
    return [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
