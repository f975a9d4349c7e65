"""Multiply-accumulates of one forward pass of the example."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tenfold.costs._counted import COSTS, CountedCost
from tenfold.network.call import run
from tenfold.values import Op, Real


@contextmanager
def without_fast_path() -> Iterator[None]:
    """Torch's transformer layers as their parts: fused into one operation they are not counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class Untracked:
    """In place of the counter's record of which module runs: it hooks onto gradients that views of
    parameters do not have, and on the whole network's count it has no bearing."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def one_layer(
    x: Sequence[int], inputs: Sequence[int], hidden: Sequence[int], *_: Any, **__: Any
) -> int:
    """Of a recurrent layer in one operation, from the shapes of what it takes: an input
    ``(time, batch, in)`` and its two weights."""
    return 2 * math.prod(x[:-1]) * (math.prod(inputs) + math.prod(hidden))


def all_layers(x: Sequence[int], weights: Sequence[Sequence[int]], *_: Any, **__: Any) -> int:
    """Of all recurrent layers in one operation; biases have one axis."""
    return 2 * math.prod(x[:-1]) * sum(math.prod(w) for w in weights if len(w) == 2)


FUSED = {  # recurrent layers of oneDNN and cuDNN, which torch does not count
    torch.ops.aten.mkldnn_rnn_layer: one_layer,
    torch.ops.aten._cudnn_rnn: all_layers,
}


class Macs(CountedCost):
    """Multiply-accumulates in convolutions and matrix products; nothing else is counted."""

    name = "macs"
    noun = "multiply-accumulates"

    def of(self, op: Op) -> Real:
        """Weights times the positions at which they are applied, and what computes the weights."""
        return op.weights * op.positions + op.extra_macs

    def measure(self, model: nn.Module, example: Any) -> float:
        """Half of what torch's counter of floating-point operations sees in a forward pass."""
        counter = FlopCounterMode(display=False, custom_mapping=FUSED)
        counter.mod_tracker = Untracked()  # type: ignore[assignment]
        with counter, without_fast_path():
            run(model, example)
        return counter.get_total_flops() / 2  # torch counts a multiply and an add as two


COSTS.add("macs", Macs())
