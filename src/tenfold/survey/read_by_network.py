"""Layers that the network looks into: code that reads a layer's weight, or hands the layer to a
fused kernel, cannot have a chain in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from tenfold.errors import in_a_line
from tenfold.network.call import run


def looked_into(model: nn.Module, names: Sequence[str], example: Any) -> dict[str, str]:
    """Why layers must stay what they are: the network fails on the example with a chain there.

    One forward pass where there are none, else one a layer.
    """
    layers = {name: model.get_submodule(name) for name in names}
    if failure(model, list(layers.values()), example) is None:
        return {}
    found = {name: failure(model, [layer], example) for name, layer in layers.items()}
    return {name: why for name, why in found.items() if why is not None}


def failure(model: nn.Module, layers: Sequence[nn.Module], example: Any) -> str | None:
    """What goes wrong with chains of one in the place of these layers, or None."""
    with stood_in(model, {id(layer): nn.Sequential(layer) for layer in layers}):
        try:
            run(model, example)
        except Exception as error:
            return f"the network looks into it ({in_a_line(error)})"
    return None


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
