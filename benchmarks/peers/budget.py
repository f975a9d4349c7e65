"""One budget for all, and the one knob of a tool turned until its network is within it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from tenfold.costs import COSTS

TRIES = 10  # halvings of the knob's range


@dataclass(frozen=True)
class Budget:
    """At most this share of what the original costs, counted on the network as it stands."""

    cost: str
    share: float
    most: float
    example: Any

    @classmethod
    def of(cls, model: nn.Module, example: Any, cost: str, share: float) -> Budget:
        """The share of this network's cost."""
        return cls(cost, share, share * count(model, example, cost), example)

    def holds(self, model: nn.Module) -> bool:
        """Whether the network is within the budget."""
        return count(model, self.example, self.cost) <= self.most


@dataclass(frozen=True)
class Shrunk:
    """A smaller network, how often the tool was called, and CPU seconds of its last call."""

    model: nn.Module
    calls: int = 1
    knob: float | None = None
    last: float | None = None


def count(model: nn.Module, example: Any, cost: str) -> float:
    """Parameters, each once; or multiply-accumulates, which torch counts as the network runs."""
    return COSTS[cost].measure(model, example)


def turn(make: Callable[[float], nn.Module], budget: Budget, tries: int = TRIES) -> Shrunk:
    """The network of the largest knob in (0, 1), found by halving, that is within the budget: the
    larger the knob, the larger the network."""
    low, high = 0.0, 1.0
    best: Shrunk | None = None
    for _ in range(tries):
        knob = (low + high) / 2
        began = time.process_time()
        model = make(knob)
        spent = time.process_time() - began
        if budget.holds(model):
            low, best = knob, Shrunk(model, tries, knob, spent)
        else:
            high = knob
    if best is None:
        raise ValueError(f"no setting is within {budget.share:.0%} of the {budget.cost}")
    return best
