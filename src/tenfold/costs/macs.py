"""Multiply-accumulates of one forward pass of the example."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tenfold.costs._base import COSTS, Cost
from tenfold.forward import run
from tenfold.values import Op, Real


class Macs(Cost):
    """Multiply-accumulates in convolutions and matrix products; nothing else is counted."""

    name = "macs"
    unit = "multiply-accumulates"

    def of(self, op: Op) -> Real:
        """Weights times the positions at which they are applied."""
        return op.weights * op.positions

    def measure(self, model: nn.Module, example: Any) -> float:
        """Half of what torch's counter of floating-point operations sees in a forward pass."""
        with FlopCounterMode(display=False) as counter:
            run(model, example)
        return counter.get_total_flops() / 2  # torch counts a multiply and an add as two


COSTS.add("macs", Macs())
