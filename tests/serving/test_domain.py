from __future__ import annotations

import pytest
import torch

from glioray.errors import BundleError
from glioray.serving.domain import KNOWN_SHARE, Domain, look

GROUPS = torch.arange(300) // 3


def heads(count: int, seed: int, channels: int = 1) -> torch.Tensor:
    """(N,C,64,64) uint8: smooth ellipses on black, of several sizes, with soft texture."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    across, down = (0.55 + 0.3 * torch.rand(count, 1, 1, 1, generator=generator) for _ in range(2))
    inside = ((columns / across) ** 2 + (rows / down) ** 2 < 1).float()
    noise = torch.rand(count, channels, 8, 8, generator=generator)
    texture = torch.nn.functional.interpolate(noise, size=(64, 64), mode="bilinear")
    return (inside * (60 + 150 * texture)).to(torch.uint8)


@pytest.fixture(scope="module")
def domain() -> Domain:
    found = Domain.fit(look(heads(300, 0)), GROUPS, look(heads(100, 1)))
    assert found is not None
    return found


def test_images_of_the_same_kind_are_known_as_often_as_it_says(domain):
    known = (domain.distance(heads(400, 2)) <= 1).float().mean()

    assert float(known) == pytest.approx(KNOWN_SHARE, abs=0.04)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(torch.randint(0, 256, (1, 1, 64, 64), generator=torch.Generator().manual_seed(0)), id="noise"),
        pytest.param(torch.arange(64).mul(4).expand(1, 1, 64, 64), id="ramp"),
        pytest.param(255 - heads(1, 3), id="negative"),
        pytest.param((torch.arange(64)[:, None] // 4 % 2 * (torch.arange(64) // 3 % 2) * 255)[None, None], id="text"),
        pytest.param(torch.zeros(1, 1, 64, 64), id="black"),
        pytest.param(torch.full((1, 1, 64, 64), 255), id="white"),
    ],
)
def test_what_is_no_head_is_not_known(domain, image):
    assert float(domain.distance(image.to(torch.uint8))) > 1


def test_a_batch_has_the_distances_of_one_by_one(domain):
    images = heads(5, 4)

    torch.testing.assert_close(domain.distance(images), torch.cat([domain.distance(image[None]) for image in images]))


def test_it_comes_back_from_its_tensors(domain):
    again = Domain.of_tensors(domain.tensors(), 1)

    assert again is not None
    assert torch.equal(again.distance(heads(5, 5)), domain.distance(heads(5, 5)))
    assert Domain.of_tensors({}, 1) is None


def test_several_channels_have_their_looks_side_by_side():
    found = Domain.fit(look(heads(300, 0, channels=3)), GROUPS, look(heads(50, 1, channels=3)))

    assert found is not None
    assert float((found.distance(heads(200, 2, channels=3)) <= 1).float().mean()) > 0.85
    assert float(found.distance(torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8))) > 1


def test_the_images_of_one_patient_do_not_pass_for_many():
    """Ten patients whose slices are alike: the next patient is known, which a threshold of their own would deny."""
    patients = heads(40, 6)
    slices = patients.repeat_interleave(8, dim=0)
    jitter = torch.randint(0, 3, slices.shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    slices = slices + jitter * (slices > 0)
    groups = torch.arange(40).repeat_interleave(8)

    found = Domain.fit(look(slices[:240]), groups[:240], look(slices[240:248]))

    assert found is not None
    assert float((found.distance(slices[248:]) <= 1).float().mean()) > 0.7


def test_too_few_to_say_what_is_usual_gives_none():
    assert Domain.fit(look(heads(40, 0)), torch.arange(40), look(heads(10, 1))) is None
    assert Domain.fit(look(heads(90, 0)), torch.arange(90) % 9, look(heads(10, 1))) is None


@pytest.mark.parametrize("change", [lambda parts: parts.pop("rest"), lambda parts: parts.update(axes=torch.ones(2, 3))])
def test_a_damaged_one_is_refused(domain, change):
    parts = domain.tensors()
    change(parts)

    with pytest.raises(BundleError, match="domain"):
        Domain.of_tensors(parts, 1)


def test_one_of_other_channels_is_refused_before_an_image_is_asked_about(domain):
    with pytest.raises(BundleError, match=r"is of 336 figures, the 3 channels of its model have 1008; evaluate"):
        Domain.of_tensors(domain.tensors(), 3)
