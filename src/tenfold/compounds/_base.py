"""What a compound is: a module that holds several weights, and the equal module of stock layers
that takes its place while tenfold works; and the pieces that such modules are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from torch import Tensor, nn

from tenfold.registry import Registry

M = TypeVar("M", bound=nn.Module)


class Opened(nn.Module):
    """What ``open`` returns derives from this class: by it an opened compound is told from others.

    It is called as the compound is and returns the same, in evaluation and in training, and holds
    as many parameters and bytes. It can be copied and exported.
    """

    def finished(self) -> nn.Module:
        """What is handed over in its place once nothing in it is changed any more: itself, unless
        there are stock layers that compute the same."""
        return self


class Compound(ABC):
    """One kind of module with several weights. Stateless."""

    @abstractmethod
    def serves(self, module: nn.Module) -> bool:
        """Whether a module is of this kind."""

    def refuses(self, module: nn.Module) -> str | None:
        """Why this very module has to stay closed, or None."""
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        if any(hooks) or getattr(module, "parametrizations", None):
            return "it carries hooks or a parametrization that would be lost"
        if "forward" in vars(module):
            return "its forward was replaced by hand"
        return None

    @abstractmethod
    def open(self, module: nn.Module) -> Opened:
        """An equal module made of stock layers, whose names depend on the class and the shapes
        alone. It may hold parameters and children of ``module``, which is a copy already, and
        views of its weights. Compounds inside are opened afterwards."""


COMPOUNDS: Registry[Compound] = Registry("compound", "tenfold.compounds")


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
