"""Bytes of the tensors that a saved model holds: parameters and persistent buffers."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.costs._base import COSTS, Cost, bias_count, element_size
from tenfold.network.digest import tensors_of
from tenfold.network.tied import place_of
from tenfold.values import Op, Real


class Bytes(Cost):
    """Bytes of weights on disk, without the file's header."""

    name = "bytes"
    unit = "bytes"

    def of(self, op: Op) -> Real:
        """Weights and bias, in bytes of their type, and what a layer holds beside them."""
        return (op.weights + bias_count(op)) * element_size(op.dtype) + op.extra_bytes

    def measure(self, model: nn.Module, example: Any) -> float:
        """Distinct tensors of the state, in bytes; of those that begin at one place the largest."""
        distinct: dict[int, int] = {}
        for t in tensors_of(model).values():
            place = place_of(t)
            distinct[place] = max(distinct.get(place, 0), t.numel() * t.element_size())
        return float(sum(distinct.values()))


COSTS.add("bytes", Bytes())
