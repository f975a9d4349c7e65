"""The tensors of any value by name: nested sequences, mappings, dataclasses; those of an example by
their keywords, or as forward names them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.inputs import values

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


def input_names(model: nn.Module, example: Any) -> list[str]:
    """A name for every tensor of the example, in its order: the keyword or the argument, with the
    place inside it where it holds several, as ``features.0``."""
    return [name for name, _ in named_inputs(example, positional(model))]


def named_inputs(example: Any, order: Sequence[str] = ()) -> Iterator[tuple[str, Tensor]]:
    """The example's tensors by name; ``order`` are the names of positional arguments."""
    for name, item in named_arguments(example, order):
        yield from ((name if not path else f"{name}.{path}", x) for path, x in walk(item))


def named_arguments(example: Any, order: Sequence[str] = ()) -> list[tuple[str, Any]]:
    """The same for its arguments as they are; those without a name are inputs by number."""
    if isinstance(example, Mapping):
        return [(str(key), item) for key, item in example.items()]
    given = values(example)
    unnamed = ["input"] if len(given) == 1 else [f"input{n}" for n in range(len(given))]
    return list(zip([*order, *unnamed[len(order) :]], given))


def positional(model: nn.Module) -> list[str]:
    """The names of the arguments that forward takes by position; none of one that does not say."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        taken = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # of functions in C
        return []
    return [each.name for each in taken if each.kind in kinds]


def output_names(output: Any, taken: Sequence[str] = ()) -> list[str]:
    """A name for every tensor of an output, in its order: its key, or ``output``, with a number
    where there are several. Names that inputs have are told apart by ``_out``."""
    names = [name for name, _ in walk(output)]
    called = ["output"] if names == [""] else [f"output{n}" if n.isdigit() else n for n in names]
    return [f"{name}_out" if name in taken else name for name in called]
