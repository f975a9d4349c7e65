"""The sizes that each layer sees in one forward pass of the example."""

from __future__ import annotations

from collections.abc import Mapping
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
