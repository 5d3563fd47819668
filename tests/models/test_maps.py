from __future__ import annotations

import pytest
import torch
from torch import nn

import glioray._torchvision  # noqa: F401  isort: skip  # before timm
from monai.networks.nets import AttentionUnet
from timm.models.swin_transformer import SwinTransformer

from glioray.data.records import Signature
from glioray.models import attention_unet, classic_unet, custom_cnn, timm_unet, vit
from glioray.models._maps import maps

TINY_VIT = vit.Config(dim=16, depth=2, heads=2, mlp=16, patch_size=8)


def a_vit() -> nn.Module:
    return vit.build(TINY_VIT, Signature(1, 2, 32))


def a_gated_unet() -> nn.Module:
    return attention_unet.build(attention_unet.Config(base_filters=2, depth=2), Signature(1, 2, 32))


def images(size_px: int = 32) -> torch.Tensor:
    return torch.randn(3, 1, size_px, size_px)


def test_the_blocks_of_a_cnn_give_their_maps_in_order():
    model = custom_cnn.build(custom_cnn.Config(), Signature(1, 2, 128))

    found = maps(model, images(128))

    assert list(found) == ["0", "1", "2", "3"]
    assert found["3"].shape == (3, 256, 2, 2)


def test_a_map_is_what_the_block_gave_before_anything_wrote_into_it():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1)), nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(2, 1, 1)))
    image = images()

    assert torch.equal(maps(model, image)["0"], model[0](image))


def test_a_mere_wrapper_is_looked_into():
    found = maps(AttentionUnet(2, 1, 1, (4, 8, 16), (2, 2)), images(), of=["features"])

    assert set(found) == {"model.0", "model.1", "model.2"}


def test_the_encoder_of_a_unet_on_timm_is_looked_into():
    config = timm_unet.Config(architecture="test_resnet", decoder_filters=2)

    found = maps(timm_unet.build(config, Signature(1, 2, 64)), images(64), of=["features"])

    assert {"encoder.model.layer1.0", "encoder.model.layer4.0", "up.0", "head"} <= set(found)


def test_tokens_are_put_back_in_their_places():
    model = a_vit().eval()
    image = images()

    found = maps(model, image, of=["features"])["blocks.1"]

    tokens = model.blocks(model.norm_pre(model._pos_embed(model.patch_embed(image))))
    assert found.shape == (3, 16, 4, 4)
    torch.testing.assert_close(found[1, :, 2, 3], tokens[1, 1 + 4 * 2 + 3])


def test_attention_is_the_softmax_of_queries_and_keys():
    model = a_vit()
    inputs = []
    handle = model.blocks[1].attn.qkv.register_forward_hook(lambda layer, args, out: inputs.append(out))

    found = maps(model, images(), of=["attention"])
    handle.remove()

    queries, keys, _ = inputs[0].unflatten(2, (3, 2, 8)).permute(2, 0, 3, 1, 4)
    expected = (queries @ keys.transpose(2, 3) / 8**0.5).softmax(-1)
    assert list(found) == ["blocks.0.attn.attn_drop", "blocks.1.attn.attn_drop"]
    torch.testing.assert_close(found["blocks.1.attn.attn_drop"], expected)
    torch.testing.assert_close(expected.sum(-1), torch.ones(3, 2, 17))


def test_gates_are_maps_between_zero_and_one():
    found = maps(a_gated_unet(), images(), of=["gates"])

    assert [tuple(gate.shape) for gate in found.values()] == [(3, 1, 8, 8), (3, 1, 16, 16)]
    assert all(gate.min() > 0 and gate.max() < 1 for gate in found.values())


def test_what_a_network_has_not_it_does_not_give():
    model = classic_unet.build(classic_unet.Config(base_filters=2, depth=1), Signature(1, 2, 32))

    assert maps(model, images(), of=["gates", "attention"]) == {}


@pytest.mark.parametrize("build", [a_vit, a_gated_unet])
def test_a_network_is_afterwards_what_it_was(build):
    model = build().train()
    next(iter(model.children())).eval()
    before = state_of(model)

    maps(model, images())

    assert state_of(model) == before


def test_a_network_that_fails_is_put_back_too():
    model = a_vit().train()
    before = state_of(model)

    with pytest.raises(AssertionError, match="Input height"):
        maps(model, images(40))

    assert state_of(model) == before


def test_the_gates_of_monai_are_found_too():
    found = maps(AttentionUnet(2, 1, 1, (4, 8, 16), (2, 2)), images(), of=["gates"])

    assert [tuple(gate.shape) for gate in found.values()] == [(3, 1, 16, 16), (3, 1, 32, 32)]


def test_channels_come_first_where_a_network_has_them_last():
    swin = SwinTransformer(32, 4, 1, 2, embed_dim=8, depths=(1, 1), num_heads=(1, 1), window_size=4)

    assert maps(swin, images(), of=["features"])["layers.1"].shape == (3, 16, 4, 4)


def state_of(model: nn.Module) -> list[object]:
    """Mode, attention flag and number of hooks of every module, and the sum of every value."""
    modules = [(m.training, getattr(m, "fused_attn", None), len(m._forward_hooks)) for m in model.modules()]
    return [*modules, *(value.double().sum().item() for value in model.state_dict().values())]
