"""Where the time goes: every layer alone at the size it has in the network, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.deploy.prepare import prepare_layer
from tenfold.machine.processes import torch_threads
from tenfold.machine.progress import Progress, silent
from tenfold.machine.timing import Timing, interleave
from tenfold.network.call import run
from tenfold.network.watch import watching_inputs
from tenfold.runtimes import check_available

RUNS, WARMUP, SECONDS = 30, 3, 1.0


@dataclass(frozen=True)
class LayerTime:
    """One layer: its timings by model name."""

    name: str
    timings: Mapping[str, Timing]


def time_layers(
    models: Mapping[str, nn.Module],
    example: Any,
    names: tuple[str, ...],
    *,
    engine: str = "eager",
    threads: int = 1,
    progress: Progress = silent,
) -> tuple[LayerTime, ...]:
    """Milliseconds of each named submodule that all models hold, alone, on an input of the size it
    sees in the first of the models, interleaved between the models."""
    runtime = check_available(engine)
    there = [dict(model.named_modules(remove_duplicate=False)) for model in models.values()]
    names = tuple(name for name in names if all(name in held for held in there))
    inputs = inputs_of(next(iter(models.values())), example, names)
    times = []
    with torch_threads(threads):
        for done, (name, given) in enumerate(inputs.items()):
            calls = {
                label: prepare_layer(runtime, model.get_submodule(name), given, threads)
                for label, model in models.items()
            }
            times.append(LayerTime(name, interleave(calls, RUNS, WARMUP, SECONDS)))
            progress(f"layers, {engine}", done + 1, len(inputs))
    return tuple(times)


def inputs_of(model: nn.Module, example: Any, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Noise of the shape that each submodule's first input has in a forward pass; whole numbers,
    such as those of a table's rows, as they are."""
    shapes: dict[str, Tensor] = {}

    def noise_like(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x.clone()
        return torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)

    def recorder(name: str) -> Any:
        def hook(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            if inputs and isinstance(inputs[0], Tensor) and name not in shapes:
                shapes[name] = noise_like(inputs[0])

        return hook

    with watching_inputs({model.get_submodule(name): recorder(name) for name in names}):
        run(model, example)
    return shapes
