"""model, example -> the same with tensors alone going in and coming out, as graphs have them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from tenfold.network.call import run
from tenfold.network.inputs import items
from tenfold.network.names import named_arguments, positional, walk


class TensorsOnly(nn.Module):
    """The network's layers under their own names. Constants of the example are fixed; outputs are
    a mapping of tensors by name, without what a graph cannot give, such as a cache."""

    def __init__(self, model: nn.Module, example: Any) -> None:
        super().__init__()
        for held in ("_parameters", "_buffers", "_modules"):  # shared, so that names stay
            self.__dict__[held] = model.__dict__[held]
        self.__dict__["forward"] = forward_of(model, example)  # holds no layer of its own
        self.training = model.training


def forward_of(model: nn.Module, example: Any) -> Callable[..., Any]:
    """The network's forward pass with the example's constants; its signature has the rest."""
    arguments, by_name = named_arguments(example, positional(model)), isinstance(example, Mapping)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [name for name, item in arguments if has_tensors(item)]
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])

    def forward(*given: Any, **keywords: Any) -> Any:
        tensors = signature.bind(*given, **keywords).arguments
        filled = {name: tensors.get(name, constant) for name, constant in arguments}
        return named(model(**filled) if by_name else model(*filled.values()))

    forward.__signature__ = signature  # type: ignore[attr-defined]  # torch.export reads it
    return forward


def tensors_only(model: nn.Module, example: Any) -> tuple[nn.Module, Any]:
    """The model and the example themselves where tensors alone go in and come out."""
    outputs = run(model, example)
    parts, held = [x for _, x in walk(outputs)], tree_leaves(outputs)
    plain_output = len(parts) == len(held) and all(x is y for x, y in zip(parts, held))
    if plain_output and all(isinstance(x, Tensor) for x in items(example)):
        return model, example
    return TensorsOnly(model, example), without_constants(example)


def without_constants(example: Any) -> Any:
    """The example without the arguments that hold no tensor."""
    if isinstance(example, Mapping):
        return {key: item for key, item in example.items() if has_tensors(item)}
    if isinstance(example, (tuple, list)):
        return tuple(item for item in example if has_tensors(item))
    return example


def has_tensors(value: Any) -> bool:
    """Whether an argument is, or holds, a tensor."""
    return any(isinstance(item, Tensor) for item in items(value))


def named(outputs: Any) -> Any:
    """The tensors of an output by the path to them; a single one as it is."""
    parts = dict(walk(outputs))
    return parts.get("", parts)
