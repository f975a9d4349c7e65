"""Trainable and frozen parameters; tied ones are counted once."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.costs._counted import COSTS, CountedCost, bias_count
from tenfold.values import Op, Real


class Params(CountedCost):
    """Number of parameters."""

    name = "params"
    noun = "parameters"

    def of(self, op: Op) -> Real:
        """Weights and bias, and what a layer holds beside them."""
        return op.own_weights + bias_count(op) + op.extra_params

    def measure(self, model: nn.Module, example: Any) -> float:
        """Parameters of the module, shared ones once."""
        return float(sum(p.numel() for p in model.parameters()))


COSTS.add("params", Params())
