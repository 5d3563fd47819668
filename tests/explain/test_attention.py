from __future__ import annotations

import pytest
import torch

import glioray._torchvision  # noqa: F401  isort: skip  # before timm
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

from glioray.errors import ModelError
from glioray.explain.attention import attention_map, has_rollout, layer_maps, rollout
from glioray.models._maps import maps


def a_vit(**settings) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(32, 8, 1, 2, **{"embed_dim": 16, "depth": 3, "num_heads": 2} | settings)


def images(num: int = 2) -> torch.Tensor:
    return torch.randn(num, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_every_row_of_a_rollout_sums_to_one():
    flow = rollout(list(maps(a_vit(), images(), of=["attention"]).values()))

    assert flow.shape == (2, 17, 17)
    assert flow.min() >= 0
    torch.testing.assert_close(flow.sum(-1), torch.ones(2, 17))


def test_a_rollout_is_the_product_of_the_layers_with_half_of_each_passed_by():
    """By hand: in the second layer token 0 attends to token 1 alone, in the first token 1 to token 2 alone."""
    first, second = torch.eye(3), torch.eye(3)
    first[1] = torch.tensor([0.0, 0.0, 1.0])
    second[0] = torch.tensor([0.0, 1.0, 0.0])

    flow = rollout([first[None, None], second[None, None]])

    torch.testing.assert_close(flow[0, 0], torch.tensor([0.5, 0.25, 0.25]))


def test_heads_are_averaged():
    heads = torch.stack([torch.eye(2), torch.eye(2).flip(0)])[None]

    torch.testing.assert_close(rollout([heads])[0], torch.tensor([[0.75, 0.25], [0.25, 0.75]]))


@pytest.mark.parametrize(("pool", "row"), [("token", "class token"), ("avg", "patches")])
def test_the_map_is_of_the_tokens_that_the_head_reads(pool, row):
    model = a_vit(global_pool=pool)
    flow = rollout(list(maps(model, images(), of=["attention"]).values()))
    read = flow[:, 0, 1:] if row == "class token" else flow[:, 1:, 1:].mean(1)

    heat = attention_map(model, images())

    peaks = [(int(one.argmax()) // 32 // 8, int(one.argmax()) % 32 // 8) for one in heat]  # a patch has 8 px
    assert peaks == [divmod(int(patch), 4) for patch in read.argmax(1)]
    assert (heat.amin((1, 2)) >= 0).all()
    torch.testing.assert_close(heat.amax((1, 2)), torch.ones(2))


def test_fused_attention_is_looked_into_and_fused_again():
    model = a_vit()
    fused = [block.attn.fused_attn for block in model.blocks]
    assert all(fused)

    heat = attention_map(model, images())

    assert heat.isfinite().all()
    assert [block.attn.fused_attn for block in model.blocks] == fused


def test_attention_within_windows_cannot_be_rolled_out():
    swin = SwinTransformer(32, 4, 1, 2, embed_dim=8, depths=(1, 1), num_heads=(1, 1), window_size=4)

    assert not has_rollout(swin)
    with pytest.raises(ModelError, match="all to all"):
        attention_map(swin, images())


def test_each_layer_is_shown_by_itself():
    """The map of a layer is that of what its own attention says, not of the layers before it."""
    model = a_vit().eval()
    pixels = images()

    found = layer_maps(model, pixels)

    assert found.shape == (3, 2, 32, 32)
    attention = list(maps(model, pixels, of=["attention"]).values())[1].mean(1)[:, 0, 1:].reshape(2, 4, 4)
    cell = found[1][:, 4::8, 4::8]
    assert torch.equal(cell.flatten(1).argmax(1), attention.flatten(1).argmax(1))
    assert not torch.allclose(found[0], found[2])


def test_layers_of_one_network_alone_make_its_rollout():
    model = a_vit(depth=1).eval()

    torch.testing.assert_close(layer_maps(model, images())[0], attention_map(model, images()))
