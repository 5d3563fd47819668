"""BatchNorm folded into the convolutions before it: fewer passes over memory for the same answers.

Source: Jacob 2018, arXiv 1712.05877, section 3.2. Nothing else of a network is changed.
"""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import fx, nn
from torch.nn.utils import fuse_conv_bn_weights

from glioray.models._depthwise import DepthwiseConv2d
from glioray.models._norm import BatchNorm2d

# No other subclass: one may do more with its weights.
CONVOLUTIONS = (nn.Conv2d, DepthwiseConv2d)
NORMS = (nn.BatchNorm2d, BatchNorm2d)


def folded(model: nn.Module) -> nn.Module:
    """A copy in eval mode, without gradients, in which a convolution with the BatchNorm behind it is one convolution.

    Outputs are the same but for rounding. A pair is left as it is where the BatchNorm is not the only one to read the
    convolution, has no running figures, or cannot be found because the network's way depends on its values.
    While the pairs are being found no other thread may run a network: torch.fx changes `nn.Module` for that time.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    for conv_name, norm_name in _pairs(network):
        conv, norm = network.get_submodule(conv_name), network.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        _fold(conv, norm)
        network.set_submodule(norm_name, _after(norm))
    return network


class _Tracer(fx.Tracer):
    """Sees a convolution or a BatchNorm, also a subclass of one, as one step; looks into all else but torch's own."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Conv2d | nn.BatchNorm2d) or super().is_leaf_module(module, name)


def _pairs(module: nn.Module, prefix: str = "") -> list[tuple[str, str]]:
    """Names of each convolution and the BatchNorm that alone reads it; part by part where the whole is not traced."""
    try:
        graph = _Tracer().trace(module)
    except Exception:  # of many kinds: it is whatever the network does with a value that is none yet
        return [pair for name, child in module.named_children() for pair in _pairs(child, f"{prefix}{name}.")]
    steps = {node: module.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"}
    called = Counter(map(id, steps.values()))
    pairs = [(node.args[0], node) for node in steps if node.args and node.args[0] in steps]
    return [
        (f"{prefix}{conv.target}", f"{prefix}{norm.target}")
        for conv, norm in pairs
        if _is_pair(steps[conv], steps[norm])
        and len(conv.users) == called[id(steps[conv])] == called[id(steps[norm])] == 1
    ]


def _is_pair(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether a BatchNorm can be folded into what it reads."""
    return (
        type(conv) in CONVOLUTIONS
        and isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and (type(norm) in NORMS or _is_with_act(norm))
    )


def _is_with_act(norm: nn.Module) -> bool:
    """Whether it is BatchNorm, dropout and activation in one, as timm's BatchNormAct2d."""
    return [name for name, _ in norm.named_children()] == ["drop", "act"]


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )


def _after(norm: nn.BatchNorm2d) -> nn.Module:
    """What is left of a BatchNorm once its figures are in the convolution."""
    return nn.Sequential(*norm.children()) if _is_with_act(norm) else nn.Identity()
