"""A module as stock layers in a row, which some runtimes can be given without tracing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


def chain_of(model: nn.Module, example: Any) -> list[nn.Module] | None:
    """The stock layers of a plain chain with zero padding on a batch, or None when it is anything
    else."""
    if not isinstance(example, Tensor):
        return None
    layers = list(model) if type(model) is nn.Sequential else [model]
    return layers if layers and all(is_stock(x, example.ndim) for x in layers) else None


def is_stock(layer: nn.Module, axes: int) -> bool:
    """A linear layer, or a convolution padded with so many zeros, on a value of so many axes."""
    if type(layer) is nn.Linear:
        return True
    if type(layer) not in (nn.Conv1d, nn.Conv2d) or layer.weight.ndim != axes:  # type: ignore[operator]
        return False
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def weights_of(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a stock layer, on the CPU without gradients."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    held = bias.detach().cpu() if isinstance(bias, Tensor) else None
    return weight.detach().cpu(), held


def open_shape(layers: Sequence[nn.Module], example: Tensor) -> list[int | None]:
    """The example's shape, None for what is left open: all but the channels, and what a single
    vector has; sizes of one are fixed."""
    channels = example.ndim - 1 if isinstance(layers[0], nn.Linear) else 1
    return [
        None if example.ndim > 1 and axis != channels and (size > 1 or not axis) else size
        for axis, size in enumerate(example.shape)
    ]
