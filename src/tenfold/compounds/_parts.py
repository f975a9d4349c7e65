"""The pieces that opened compounds are made of: Linears on parts of a weight, and the same parts in
a module of another class."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A Linear that holds this weight ``(out, in)``, or a view of a larger one, and its bias."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    layer.weight = parameter_of(weight)
    layer.bias = None if bias is None else parameter_of(bias)  # type: ignore[assignment]
    return layer


def parameter_of(tensor: Tensor) -> nn.Parameter:
    """The parameter itself; a part of one as a parameter that shares its memory."""
    if isinstance(tensor, nn.Parameter):
        return tensor
    return nn.Parameter(tensor.detach(), tensor.requires_grad)


def as_class(module: nn.Module, cls: type[M]) -> M:
    """A module of another class with the same attributes, parameters and children."""
    new = cls.__new__(cls)
    kept = {
        name: value.copy() if isinstance(value, dict) else value
        for name, value in vars(module).items()
    }
    vars(new).update(kept)
    return new
