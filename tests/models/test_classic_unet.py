from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.classic_unet import Config, build


@pytest.mark.parametrize(
    ("base_filters", "expected"), [(8, 344_227), (16, 1_375_043), (32, 5_496_451), (64, 21_978_371)]
)
def test_it_has_as_many_parameters_as_the_course_project_had(base_filters, expected):
    assert num_parameters(build(Config(base_filters=base_filters), Signature(4, 3, 240))) == expected


def test_a_size_that_cannot_be_halved_is_refused_with_the_next_one_that_can():
    with pytest.raises(ModelError, match=r"250 px.*multiple of 16.*--image-size 256"):
        build(Config(), Signature(4, 3, 250))


def test_a_shallow_one_takes_sizes_that_a_deep_one_refuses():
    model = build(Config(depth=1, base_filters=2), Signature(1, 2, 18))

    assert model(torch.zeros(1, 1, 18, 18)).shape == (1, 2, 18, 18)


def test_a_shift_of_the_image_shifts_the_mask():
    torch.manual_seed(0)
    model = build(Config(depth=2, base_filters=2), Signature(1, 1, 128)).eval()
    image = torch.zeros(1, 1, 128, 128)
    image[..., 60:68, 60:68] = 1

    with torch.inference_mode():
        moved = model(image.roll((4, 4), (2, 3)))
        expected = model(image).roll((4, 4), (2, 3))

    inside = slice(40, 88)  # farther from the border than the network sees
    torch.testing.assert_close(moved[..., inside, inside], expected[..., inside, inside])


def test_no_filters_are_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Config(base_filters=0)


@pytest.mark.parametrize(("norm", "expected"), [("batch", nn.BatchNorm2d), ("instance", nn.InstanceNorm2d)])
def test_a_norm_stands_between_each_convolution_and_its_relu(norm, expected):
    model = build(Config(base_filters=2, depth=1, norm=norm), Signature(1, 1, 16))

    kinds = [type(layer) for layer in model.bottom]

    assert kinds == [nn.Conv2d, expected, nn.ReLU] * 2


def test_an_instance_norm_of_one_pixel_is_refused():
    with pytest.raises(ModelError, match="16 px leave one pixel.*--image-size 32"):
        build(Config(norm="instance"), Signature(1, 1, 16))


def test_dropout_is_at_the_lowest_level_and_only_in_training():
    model = build(Config(base_filters=8, depth=1, dropout=0.5), Signature(1, 1, 16))
    image, seen = torch.randn(1, 1, 16, 16), []
    model.join[0].register_forward_pre_hook(lambda join, inputs: seen.append(inputs[0]))

    model.eval()(image)
    model.train()(image)

    kept = seen[1] != 0
    torch.testing.assert_close(seen[1][kept], 2 * seen[0][kept])
    assert kept.sum() < 0.7 * (seen[0] != 0).sum()
