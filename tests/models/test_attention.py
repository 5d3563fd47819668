from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.models import _contract as models
from glioray.models.timm_classifier import Config as TimmClassifier
from glioray.models.vit import Config as ViT

SIGNATURE = Signature(3, 4, 64)


def attentions(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if hasattr(module, "fused_attn")]


@pytest.mark.parametrize(
    "config",
    [ViT(dim=16, heads=2, mlp=8, depth=2), TimmClassifier(architecture="test_vit")],
    ids=lambda config: config.name,
)
def test_on_a_cpu_attention_is_written_out_and_answers_the_same(config):
    own = models.load(config.name).build(config, SIGNATURE).eval()
    model = models.build(config, SIGNATURE).eval()
    model.load_state_dict(own.state_dict())
    images = torch.randn(2, 3, 64, 64)

    torch.testing.assert_close(model(images), own(images))
    assert [attention.fused_attn for attention in attentions(own)] == [True] * len(attentions(own))
    assert [attention.fused_attn for attention in attentions(model)] == [False] * len(attentions(own))
