"""model, model', example -> whether both run the same layers on inputs of the same sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from tenfold.network.call import run
from tenfold.network.inputs import leaves
from tenfold.network.watch import watching

Runs = list[tuple[str, tuple[torch.Size, ...]]]


def same_work(original: nn.Module, built: nn.Module, example: Any, layers: Sequence[str]) -> bool:
    """Whether the named layers are called in the same order with inputs of the same sizes. They
    are not where how much a network runs depends on what its layers say. Layers that went into
    others are not looked at."""
    there = dict(built.named_modules(remove_duplicate=False))
    layers = [name for name in layers if name in there]
    return calls_of(original, example, layers) == calls_of(built, example, layers)


def calls_of(model: nn.Module, example: Any, layers: Sequence[str]) -> Runs:
    """The name of each layer as it is called, with the sizes of its inputs."""
    calls: Runs = []

    def recorder(name: str) -> Any:
        def record(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            calls.append((name, tuple(x.shape for x in leaves(inputs))))

        return record

    with watching({model.get_submodule(name): recorder(name) for name in layers}):
        run(model, example)
    return calls
