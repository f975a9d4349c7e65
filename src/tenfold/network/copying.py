"""A copy of a network, also where its modules keep what they computed."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any, TypeVar

from torch import Tensor, nn

from tenfold.network.inputs import leaves
from tenfold.network.tied import view_of

M = TypeVar("M", bound=nn.Module)


def copy_of(model: M, memo: dict[int, Any] | None = None) -> M:
    """A deep copy. Results that modules keep, as ``weight_norm`` does its weight, cannot be copied
    with their gradients, so their values are. ``memo`` maps the ``id`` of what is replaced on
    the way to its replacement."""
    copied = copy.deepcopy(model, own_results(model) | (memo or {}))
    tie_again(copied, model)
    return copied


def tie_again(copied: nn.Module, model: nn.Module) -> None:
    """Tensors that share their memory alone, which copying gives memory of their own."""
    first: dict[Any, Tensor] = {}
    there = dict(chain(copied.named_parameters(), copied.named_buffers()))
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if name in there:
            shared = first.setdefault(view_of(tensor), there[name])
            if shared is not there[name]:
                there[name].data = shared.data


def own_results(model: nn.Module) -> dict[int, Any]:
    """The values of computed tensors that modules keep, by the ``id`` of the tensor."""
    return {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in leaves(vars(module))
        if not value.is_leaf
    }
