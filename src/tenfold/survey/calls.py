"""What each layer sees in one forward pass of the example, and which layers would run on others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn

from tenfold.errors import as_bad_value
from tenfold.layers import LAYERS, describe
from tenfold.network.call import run
from tenfold.network.watch import watching
from tenfold.values import Call

BY_NAME = Call(-1, (), ())  # in place of a call whose input is not seen


def record_calls(
    model: nn.Module, layers: Mapping[str, nn.Module], example: Any
) -> dict[str, list[Call]]:
    """The calls of each layer, in their order. Raises InputError when the model does not run."""
    calls: dict[str, list[Call]] = {name: [] for name in layers}

    def recorder(name: str) -> Any:
        site = describe(layers[name], name)
        kind = LAYERS[site.kind]

        def hook(layer: nn.Module, inputs: tuple[Any, ...], named: Any, output: Any) -> None:
            if not inputs:
                calls[name].append(BY_NAME)
            elif isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
                calls[name].append(kind.call(site, inputs[0], output))

        return hook

    recorders = {layer: recorder(name) for name, layer in layers.items()}
    way = "pass an example of the shape and type the model expects"
    with (
        watching(recorders, named=True),
        as_bad_value("The model must run on the example", way),
    ):
        run(model, example)
    return calls


def siblings_of(name: str, names: Collection[str]) -> list[str]:
    """Names that differ from this one in a single number."""
    parts = name.split(".")
    return [other for other in names if differ_in_a_number(parts, other.split("."))]


def differ_in_a_number(mine: list[str], other: list[str]) -> bool:
    """Whether two names are alike but for one number."""
    if len(mine) != len(other):
        return False
    unlike = [(a, b) for a, b in zip(mine, other) if a != b]
    return len(unlike) == 1 and all(part.isdigit() for part in unlike[0])


def run_with_others(name: str, layers: Mapping[str, nn.Module], ran: Collection[str]) -> bool:
    """Whether a sibling of the same class and shapes runs: then this one does on other data."""
    told = told_of(layers[name])
    return any(told_of(layers[other]) == told for other in siblings_of(name, ran))


def told_of(layer: nn.Module) -> tuple[type, list[tuple[str, tuple[int, ...]]]]:
    """Class and shapes."""
    return type(layer), [(name, tuple(p.shape)) for name, p in layer.named_parameters()]
