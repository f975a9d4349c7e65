"""In which order layers are called, how often, and which BatchNorm reads each one's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tenfold.network.call import call
from tenfold.network.watch import watching, watching_inputs


@dataclass(frozen=True)
class Called:
    """A layer as one forward pass met it: number of calls, and the BatchNorm that comes next."""

    name: str
    calls: int
    batchnorm: str | None


@torch.no_grad()
def follow(model: nn.Module, names: Sequence[str], inputs: Any) -> list[Called]:
    """The named layers in the order of their first call.

    A BatchNorm follows a layer when it reads the very tensor that the layer gave, unchanged, and
    both are called once: only then is its mean that layer's to correct.
    """
    made: dict[tuple[int, int], str] = {}  # by identity, and version: some work in place
    kept: list[Any] = []  # tensors stay alive, so that no two share an identity
    counts: dict[str, int] = {}
    reads: dict[str, str] = {}

    def given(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            counts[name] = counts.get(name, 0) + 1
            made[identity(output)] = name
            kept.append(output)

        return hook

    def taken(name: str) -> Any:
        def hook(module: nn.Module, args: Any) -> None:
            counts[name] = counts.get(name, 0) + 1
            layer = made.get(identity(args[0])) if args else None
            if layer:
                reads[layer] = name

        return hook

    norms: dict[nn.Module, Any] = {
        module: taken(name)
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }
    layers = {model.get_submodule(name): given(name) for name in names}
    with watching(layers), watching_inputs(norms):
        call(model, inputs)
    alone = {layer: norm for layer, norm in reads.items() if counts[layer] == counts[norm] == 1}
    return [Called(n, count, alone.get(n)) for n, count in counts.items() if n in names]


def identity(value: Any) -> tuple[int, int]:
    """Tells a tensor from others and from itself after work in place, which inference mode does
    not count."""
    counts = isinstance(value, Tensor) and not value.is_inference()
    return id(value), value._version if counts else 0
