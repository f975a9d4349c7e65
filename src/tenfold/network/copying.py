"""A copy of a network, also where its modules keep what they computed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import chain
from typing import Any, TypeVar

from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.network.identity import view_of
from tenfold.network.inputs import leaves

M = TypeVar("M", bound=nn.Module)


def copy_of(model: M, memo: dict[int, Any] | None = None) -> M:
    """A deep copy. Results that modules keep, as ``weight_norm`` does its weight, cannot be copied
    with their gradients, so their values are. ``memo`` maps the ``id`` of what is replaced on
    the way to its replacement. Locks, files and generators, which cannot be copied, are shared with
    the copy. Raises InputError, which names what cannot be copied, where it holds more."""
    memo = own_results(model) | (memo or {})
    try:
        copied = copy.deepcopy(model, dict(memo))
    except (TypeError, RuntimeError, NotImplementedError):
        copied = copy.deepcopy(model, memo | shared_things(model))
    tie_again(copied, model)
    return copied


def shared_things(model: nn.Module) -> dict[int, Any]:
    """What modules keep that cannot be copied, by its ``id``."""
    return {
        id(value): checked(f"{type(module).__name__}.{name}", value)
        for module in model.modules()
        for name, value in vars(module).items()
        if not name.startswith(("_parameters", "_buffers", "_modules")) and not copies(value)
    }


def copies(value: Any) -> bool:
    """Whether a thing can be copied."""
    try:
        copy.deepcopy(value)
    except Exception:  # of classes of their own
        return False
    return True


def checked(name: str, value: Any) -> Any:
    """A thing that may be shared: it holds no tensors or modules, which a copy has of its own."""
    if holds_weights(value):
        raise bad_value(
            "What a network keeps must be copied",
            f"{name}, a {type(value).__name__} that copy.deepcopy refuses",
            "keep its tensors and modules apart from what cannot be copied",
        )
    return value


def holds_weights(value: Any) -> bool:
    """Whether a thing is, or holds in itself or its attributes, a tensor or a module."""
    if isinstance(value, Tensor | nn.Module):
        return True
    inside = list(value.values()) if isinstance(value, Mapping) else vars_or_items(value)
    return any(isinstance(item, Tensor | nn.Module) for item in inside)


def vars_or_items(value: Any) -> list[Any]:
    """The items of a sequence, the attributes of anything else."""
    if isinstance(value, list | tuple | set):
        return list(value)
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


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
