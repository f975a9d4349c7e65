"""Trainable and frozen parameters; tied ones are counted once."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.costs._base import COSTS, Cost, bias_count
from tenfold.values import Op, Real


class Params(Cost):
    """Number of parameters."""

    name = "params"
    unit = "parameters"

    def of(self, op: Op) -> Real:
        """Weights and bias, and what a layer holds beside them."""
        return op.weights + bias_count(op) + op.extra_params

    def measure(self, model: nn.Module, example: Any) -> float:
        """Parameters of the module, shared ones once."""
        return float(sum(p.numel() for p in model.parameters()))


COSTS.add("params", Params())
