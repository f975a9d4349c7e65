"""Layers that the network looks into: code that computes with a layer's weight, asks for its class
or hands it to a fused kernel cannot have a chain in its place. A weight's type and device may be
read, for a chain tells them as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import in_a_line
from tenfold.layers import show_weight
from tenfold.network.call import run
from tenfold.network.difference import difference, tolerance
from tenfold.network.inputs import leaves

OTHER = "its outputs change with a chain in its place, though the chain computes the same"


def looked_into(model: nn.Module, names: Sequence[str], example: Any) -> dict[str, str]:
    """Why layers must stay what they are: with a chain there that computes the same, the network
    fails on the example, or puts out something else.

    Two forward passes where there are none, else one more a layer.
    """
    layers = {name: model.get_submodule(name) for name in names}
    usual = outputs_of(model, example)
    if trouble(model, list(layers.values()), example, usual) is None:
        return {}
    steady = same(usual, outputs_of(model, example))  # another draw of noise proves nothing
    troubles = {
        name: trouble(model, [layer], example, usual, steady) for name, layer in layers.items()
    }
    return {name: f"the network looks into it ({why})" for name, why in troubles.items() if why}


def trouble(
    model: nn.Module,
    layers: Sequence[nn.Module],
    example: Any,
    usual: Sequence[Tensor],
    steady: bool = True,
) -> str | None:
    """What goes wrong with chains of one in the place of these layers, or None. Where outputs are
    not ``steady`` they only must not be undefined where they were not."""
    with stood_in(model, {id(layer): chain_of_one(layer) for layer in layers}):
        try:
            outputs = outputs_of(model, example)
        except Exception as error:
            return in_a_line(error)
    if steady:
        return None if same(usual, outputs) else OTHER
    return OTHER if undefined(outputs) and not undefined(usual) else None


def chain_of_one(layer: nn.Module) -> nn.Module:
    """What computes the same, with a weight of the layer's type that spoils what is computed with
    it."""
    spoilt = next(layer.parameters()).detach().new_full((), torch.nan)
    return show_weight(nn.Sequential(layer), spoilt)


def undefined(outputs: Sequence[Tensor]) -> bool:
    """Whether some number is none."""
    return any(bool(tensor.isnan().any()) for tensor in outputs)


def outputs_of(model: nn.Module, example: Any) -> list[Tensor]:
    """The tensors that the model puts out. Each pass draws the same from torch's generators."""
    return [real(tensor) for tensor in leaves(run(model, example))]


def real(tensor: Tensor) -> Tensor:
    """Its numbers, dense and real."""
    dense = tensor if tensor.layout == torch.strided else tensor.to_dense()
    return torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense


def same(wanted: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Whether outputs are equal within rounding."""
    return difference(wanted, outputs) <= tolerance(wanted)


@contextmanager
def stood_in(model: nn.Module, others: Mapping[int, nn.Module]) -> Iterator[None]:
    """Modules by identity have others in their place inside, wherever they are held."""
    held = [
        (parent, name, module)
        for parent in model.modules()
        for name, module in parent._modules.items()
        if id(module) in others
    ]
    for parent, name, module in held:
        parent._modules[name] = others[id(module)]
    try:
        yield
    finally:
        for parent, name, module in held:
            parent._modules[name] = module
