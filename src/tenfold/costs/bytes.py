"""Bytes of the tensors that a saved model holds: parameters and persistent buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from tenfold.costs._base import COUNTS
from tenfold.costs._counted import COSTS, CountedCost, bias_count, element_size
from tenfold.network.weights import stored_bytes
from tenfold.values import Op, Real

DECIMAL = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
BINARY = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}


class Bytes(CountedCost):
    """Bytes of weights on disk, without the file's header."""

    name = "bytes"
    noun = "bytes of weights"
    units: ClassVar[Mapping[str, float]] = {**COUNTS, **DECIMAL, **BINARY}

    def of(self, op: Op) -> Real:
        """Weights and bias, in bytes of their type, and what a layer holds beside them."""
        return (op.own_weights + bias_count(op)) * element_size(op.dtype) + op.extra_bytes

    def measure(self, model: nn.Module, example: Any) -> float:
        """Distinct tensors of the state, in bytes."""
        return float(stored_bytes(model))


COSTS.add("bytes", Bytes())
