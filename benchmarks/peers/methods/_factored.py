"""Layers that a tool for stock layers can factor without changing what they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import nn

Layer = nn.Conv2d | nn.Linear


def factorable(model: nn.Module) -> Iterator[tuple[str, Layer]]:
    """Linear layers and convolutions in one group; of subclasses with a forward pass of their own
    only those whose kernel and stride leave nothing to pad."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and plain(module)):
            yield name, module


def plain(conv: nn.Conv2d) -> bool:
    """Whether a stock convolution computes the same."""
    stock = type(conv).forward is nn.Conv2d.forward and conv.padding_mode == "zeros"
    pointwise = set(conv.kernel_size) == {1} and set(conv.stride) == {1}
    return conv.groups == 1 and not isinstance(conv.padding, str) and (stock or pointwise)


def replaced(model: nn.Module, make: Callable[[str, Layer], nn.Module | None]) -> nn.Module:
    """Put what ``make`` returns in the place of each such layer; a layer stays that would grow."""
    for name, layer in list(factorable(model)):
        new = make(name, layer)
        if new is not None and size(new) < size(layer):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, new.to(layer.weight.dtype).eval())
    return model


def size(module: nn.Module) -> int:
    """Parameters."""
    return sum(p.numel() for p in module.parameters())
