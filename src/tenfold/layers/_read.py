"""Somebody's module -> its kind, its geometry and its weight; and the stock layers of a chain,
made, found and written to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import InputError
from tenfold.layers._base import LAYERS, Kind
from tenfold.network.identity import tensors_of
from tenfold.values import Call, Site


def kind_of(module: nn.Module) -> Kind | None:
    """The kind that serves a module and does not refuse it, one made for it before a general one;
    else one that refuses it, or None."""
    kinds = [kind for kind in LAYERS.values() if kind.serves(module)]
    if len(kinds) > 1:
        kinds.sort(key=lambda kind: (kind.refuses(module) is not None, kind.general))
    return kinds[0] if kinds else None


def describe(module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
    """The geometry of a layer, and what it holds beside its weight and bias. Raises InputError
    when no kind serves it."""
    kind = require_kind(module, name)
    known = [t for t in (kind.weight(module), kind.bias(module)) if t is not None]
    params = sum(p.numel() for p in module.parameters()) - sum(t.numel() for t in known)
    size = sum(map(size_of, tensors_of(module).values())) - sum(map(size_of, known))
    return replace(kind.describe(module, name, calls), extra_params=params, extra_bytes=size)


def size_of(tensor: Tensor) -> int:
    """Bytes of the numbers."""
    return tensor.numel() * tensor.element_size()


def weight_of(module: nn.Module) -> Tensor:
    """The weight of a layer, ``(out, in / groups, *kernel)``; gradients reach its parameters."""
    return require_kind(module).weight(module)


@torch.no_grad()
def weights_of(model: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Weights of layers by name, on the CPU and without gradients."""
    return {name: weight_of(model.get_submodule(name)).cpu() for name in dict.fromkeys(names)}


def require_kind(module: nn.Module, name: str = "this") -> Kind:
    """The kind of a module. Raises InputError when there is none."""
    kind = kind_of(module)
    if kind is None:
        raise InputError(
            f"{name} is a {type(module).__name__}, which is not a layer tenfold factors."
        )
    return kind


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


def links_of(module: nn.Module) -> list[Any]:
    """The links of whatever stands in a layer's place, input first."""
    return [part for part in module.modules() if is_link(part)]


def put_weight(link: nn.Module, weight: Tensor) -> None:
    """Write a weight ``(out, in / groups, *kernel)`` into a link. Gradients have to be off."""
    require_kind(link).put(link, weight)
