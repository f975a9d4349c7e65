"""tenfold as it is by default: no data, nothing set but the budget."""

from __future__ import annotations

import tenfold
from benchmarks.peers.budget import Budget, Shrunk
from benchmarks.peers.cases import Case


def shrink(case: Case, budget: Budget) -> Shrunk:
    """One call."""
    return Shrunk(tenfold.compress(case.model, case.example, {budget.cost: budget.share}).model)
