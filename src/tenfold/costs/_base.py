"""What a cost is: a price for one operation, and an independent count of a built module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from tenfold.registry import Registry
from tenfold.values import Op, Real


class Cost(ABC):
    """A quantity that adds up over operations."""

    name: ClassVar[str]
    unit: ClassVar[str]
    monotone: ClassVar[bool] = True  # never falls when a rank grows

    @abstractmethod
    def of(self, op: Op) -> Real:
        """The price of one operation."""

    @abstractmethod
    def measure(self, model: nn.Module, example: Any) -> float:
        """Count the whole model as built, without the survey's arithmetic."""

    def total(self, ops: Iterable[Op]) -> Real:
        """The price of a chain."""
        return sum((self.of(op) for op in ops), start=0)


def bias_count(op: Op) -> Real:
    """Numbers in the bias of an operation."""
    return op.out_channels if op.bias else 0


def element_size(dtype: torch.dtype) -> int:
    """Bytes a number."""
    return torch.empty(0, dtype=dtype).element_size()


COSTS: Registry[Cost] = Registry("cost", "tenfold.costs")
