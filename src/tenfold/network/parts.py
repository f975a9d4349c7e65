"""The tensors of any value by name: nested sequences, mappings, dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

DEEP = 8  # levels of nesting that are looked through


def walk(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Every tensor with the path to it, each once at every path."""
    if isinstance(value, Tensor):
        yield name, plain(value)
    elif depth < DEEP:
        for key, item in items_of(value):
            yield from walk(item, f"{name}.{key}" if name else str(key), depth + 1)


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """What a value holds, with names; nothing for a number, a text, a module or a cache."""
    if isinstance(value, Mapping):
        return list(value.items())
    if hasattr(value, "_fields"):
        return list(zip(value._fields, value))
    if isinstance(value, (tuple, list)):
        return list(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)]
    if isinstance(value, (type, nn.Module)) or "cache" in type(value).__name__.lower():
        return []
    return list(getattr(value, "__dict__", {}).items())


def plain(x: Tensor) -> Tensor:
    """A strided tensor with the numbers of any."""
    if x.is_nested:
        return torch.nested.to_padded_tensor(x, 0.0)
    return x.to_dense() if x.layout != torch.strided else x
