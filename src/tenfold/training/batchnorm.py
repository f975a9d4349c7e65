"""BatchNorm statistics estimated anew: a decomposed network's activations have shifted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tenfold.data.batches import read_batch
from tenfold.data.reading import guarded, running_through
from tenfold.errors import TrainingError
from tenfold.network.call import call


def batchnorms(model: nn.Module) -> list[_BatchNorm]:
    """BatchNorm layers that keep running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def is_frozen(layer: _BatchNorm) -> bool:
    """Whether it has weights, none of which may learn; its statistics stay as they are as well."""
    own = list(layer.parameters())
    return bool(own) and not any(p.requires_grad for p in own)


@torch.no_grad()
def reestimate(model: nn.Module, data: Iterable[Any], batches: int, device: torch.device) -> None:
    """Replace running statistics by the plain average over a few batches; not of frozen layers.

    Raises TrainingError when they turn out NaN or infinite.
    """
    layers = [layer for layer in batchnorms(model) if not is_frozen(layer)]
    if not layers or batches < 1:
        return
    momenta = [layer.momentum for layer in layers]
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average
        layer.train()
    try:
        for raw in islice(guarded(data), batches):
            with running_through("while BatchNorm was estimated anew"):
                call(model, read_batch(raw, device).inputs)
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum
            layer.eval()
    if not all(bool(torch.isfinite(b).all()) for layer in layers for b in layer.buffers()):
        raise TrainingError(
            "BatchNorm statistics must be finite, but found NaN or infinity from the first "
            f"{batches} batches; check these for NaN, or pass reestimate=0."
        )
