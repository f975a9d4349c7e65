"""Bytes of the tensors that a saved model holds: parameters and persistent buffers."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.costs._base import COSTS, Cost, bias_count, element_size
from tenfold.network.weights import stored_bytes
from tenfold.values import Op, Real


class Bytes(Cost):
    """Bytes of weights on disk, without the file's header."""

    name = "bytes"
    unit = "bytes"

    def of(self, op: Op) -> Real:
        """Weights and bias, in bytes of their type, and what a layer holds beside them."""
        return (op.weights + bias_count(op)) * element_size(op.dtype) + op.extra_bytes

    def measure(self, model: nn.Module, example: Any) -> float:
        """Distinct tensors of the state, in bytes."""
        return float(stored_bytes(model))


COSTS.add("bytes", Bytes())
