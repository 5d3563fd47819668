from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.vit import Config, build

SMALL = {"dim": 28, "depth": 2, "heads": 2, "mlp": 61, "patch_size": 8}  # int(28 * (61 / 28)) is 60


def test_it_has_as_many_parameters_as_ever():
    with torch.device("meta"):
        assert num_parameters(build(Config(), Signature(3, 4, 128))) == 21_458_436


def test_its_sizes_are_the_ones_asked_for():
    model = build(Config(**SMALL), Signature(1, 2, 32))

    assert model.pos_embed.shape == (1, 1 + 16, 28)  # a class token and 4 x 4 patches
    assert [block.mlp.fc1.out_features for block in model.blocks] == [61, 61]
    assert [block.attn.num_heads for block in model.blocks] == [2, 2]


def test_each_layer_has_a_norm_of_its_own():
    model = build(Config(**SMALL), Signature(1, 2, 32))

    assert len({id(norm.weight) for block in model.blocks for norm in (block.norm1, block.norm2)}) == 4


def test_logits_are_not_dropped():
    model = build(Config(dropout=0.9, **SMALL), Signature(1, 2, 32)).train()

    assert model.head_drop.p == 0
    assert (model(torch.randn(4, 1, 32, 32)) != 0).all()


def test_later_layers_are_skipped_more_often():
    model = build(Config(drop_path=0.2, **SMALL), Signature(1, 2, 32))

    assert type(model.blocks[0].drop_path1).__name__ == "Identity"
    assert model.blocks[1].drop_path1.drop_prob == pytest.approx(0.2)


def test_an_image_that_does_not_divide_into_patches_is_refused():
    with pytest.raises(ModelError, match=r"vit: 100 px.*patches of 16 px.*--image-size 112"):
        build(Config(), Signature(1, 2, 100))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValidationError, match="dim 512 does not divide into 7 heads"):
        Config(heads=7)
