"""The stock layers of a chain: made, found and written to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenfold.layers._base import LAYERS
from tenfold.layers._read import kind_of, require_kind


def filled(layer: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """A new layer with a weight, in the layer's own orientation, and a copy of a bias."""
    # strides of modes of one are anything after contiguous(), and then choose the output's layout
    own = weight.detach().clone(memory_format=torch.contiguous_format)
    layer.weight = nn.Parameter(own)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def is_link(module: nn.Module) -> bool:
    """Whether a module is a stock layer with a weight of its own, as ``Kind.link`` makes them."""
    stock = any(type(module) is kind.stock for kind in LAYERS.values())
    return stock and "weight" in module._parameters and kind_of(module) is not None


def show_weight(module: nn.Module, weight: Any) -> nn.Module:
    """The module of a chain, whose ``weight`` can be read but is not held a second time: networks
    ask a layer's weight for its type, as T5 and CLIP do."""
    if "weight" not in module._parameters:
        vars(module)["weight"] = weight
    return module


def links_of(module: nn.Module) -> list[Any]:
    """The links of whatever stands in a layer's place, input first."""
    return [part for part in module.modules() if is_link(part)]


def put_weight(link: nn.Module, weight: Tensor) -> None:
    """Write a weight ``(out, in / groups, *kernel)`` into a link. Gradients have to be off."""
    require_kind(link).put(link, weight)
