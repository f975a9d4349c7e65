"""A cost that is counted: a price for one operation, and an independent count of a built module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from tenfold.costs._base import Cost
from tenfold.registry import Registry
from tenfold.values import Op, Real


class CountedCost(Cost):
    """A quantity that adds up over operations, the same on every engine."""

    @abstractmethod
    def of(self, op: Op) -> Real:
        """The price of one operation."""

    @abstractmethod
    def measure(self, model: nn.Module, example: Any) -> float:
        """Count the whole model as built, without the survey's arithmetic."""

    def total(self, ops: Iterable[Op]) -> Real:
        """The price of a chain."""
        return sum((self.of(op) for op in ops), start=0)

    def target(self, text: str) -> None:
        """Nothing, for a count needs no engine. Raises BudgetError where one is named."""
        if "@" in text:
            raise self._refuse(f"A limit on {self.name} holds on every engine", text)


def bias_count(op: Op) -> Real:
    """Numbers in the bias of an operation."""
    return op.out_channels if op.bias else 0


def element_size(dtype: torch.dtype) -> int:
    """Bytes a number."""
    return torch.empty(0, dtype=dtype).element_size()


COSTS: Registry[CountedCost] = Registry("cost", "tenfold.costs")
