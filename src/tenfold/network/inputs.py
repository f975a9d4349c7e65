"""An example as its tensors: listed, resized along the batch, and drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value

CONSTANTS = (bool, int, float, str, type(None))


def check_example(example: Any) -> None:
    """A graph takes tensors; numbers, texts and None are fixed in it. Raises InputError."""
    found = [type(x).__name__ for x in items(example) if not isinstance(x, (Tensor, *CONSTANTS))]
    found += ["a tensor without axes"] * (not any(x.ndim for x in leaves(example)))
    if found or not items(example):
        raise bad_value(
            "An example to export with must be a tensor, or a tuple or mapping of tensors with "
            "the batch first, and of constants",
            ", ".join(found) if items(example) else "nothing",
            "wrap the model to take such inputs",
        )


def values(example: Any) -> list[Any]:
    """The inputs in their order."""
    if isinstance(example, Mapping):
        return list(example.values())
    return list(example) if isinstance(example, (tuple, list)) else [example]


def items(value: Any) -> list[Any]:
    """Everything in nested mappings and sequences, in its order."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [item for each in value for item in items(each)]
    return [value]


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The example as positional and keyword arguments."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return tuple(values(example)), {}


def mapped(change: Callable[[Tensor], Any], value: Any) -> Any:
    """A nested value with ``change`` made to every tensor in it; sequences keep their kind."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(change, item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [mapped(change, item) for item in value]
        if hasattr(value, "_fields"):
            return type(value)(*items)
        return tuple(items) if isinstance(value, tuple) else items
    return value


def plain_tensor(x: Tensor) -> Tensor:
    """Without a class of its own that leaves all operations to torch: what is computed from such a
    tensor would have the class too, weights included."""
    if type(x) is Tensor:
        return x
    above = type(x).__mro__[: type(x).__mro__.index(Tensor)]
    own = any({"__torch_function__", "__torch_dispatch__"} & set(vars(cls)) for cls in above)
    return x if own or isinstance(x, nn.Parameter) else x.as_subclass(Tensor)


def to_device(value: Any, device: torch.device, channels_last: bool = False) -> Any:
    """Tensors in nested sequences and mappings, moved; images laid out as asked."""

    def moved(x: Tensor) -> Tensor:
        x = plain_tensor(x)
        if channels_last and x.ndim == 4:
            return x.to(device, memory_format=torch.channels_last)
        return x.to(device)

    return mapped(moved, value)


def resize(example: Any, batch: int) -> Any:
    """The example with the first mode of each tensor repeated or cut to ``batch``."""

    def one(x: Tensor) -> Tensor:
        if x.ndim == 0:
            return x
        repeats = -(-batch // len(x))
        return x.repeat(repeats, *(1 for _ in x.shape[1:]))[:batch].contiguous()

    return mapped(one, example)


def cut(example: Any, start: int, stop: int) -> Any:
    """The inputs from one place of the batch to another."""
    return mapped(lambda x: x[start:stop], example)


def batch_of(example: Any) -> int:
    """The size of the first mode of the first tensor that has one."""
    return next(len(x) for x in leaves(example) if x.ndim)


def shuffle(example: Any, seed: int = 0) -> Any:
    """Inputs drawn uniformly between each real tensor's extremes, normal where it is constant."""
    generator = torch.Generator().manual_seed(seed)

    def one(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        low, high = float(x.min()), float(x.max())
        noise = torch.randn if low == high else torch.rand
        drawn = noise(x.shape, generator=generator)
        drawn = drawn if low == high else low + (high - low) * drawn
        return drawn.to(x)

    return mapped(one, example)


def leaves(value: Any) -> list[Tensor]:
    """The tensors in nested mappings and sequences, in their order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list, set)):
        return [leaf for item in value for leaf in leaves(item)]
    return []
