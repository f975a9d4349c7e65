"""Somebody's module -> its kind, its geometry and its weight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
