"""What an example's tensors are called: by their keywords, or as forward names them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from tenfold.network.inputs import values
from tenfold.network.parts import walk


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
    """The names of the arguments that forward takes by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = inspect.signature(model.forward).parameters.values()
    return [each.name for each in taken if each.kind in kinds]


def output_names(output: Any, taken: Sequence[str] = ()) -> list[str]:
    """A name for every tensor of an output, in its order: its key, or ``output``, with a number
    where there are several. Names that inputs have are told apart by ``_out``."""
    names = [name for name, _ in walk(output)]
    called = ["output"] if names == [""] else [f"output{n}" if n.isdigit() else n for n in names]
    return [f"{name}_out" if name in taken else name for name in called]
