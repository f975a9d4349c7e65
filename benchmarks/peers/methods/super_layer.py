"""The published search (arXiv 2409.03555) in tenfold's re-implementation, on weights as they are:
its settings are told in docs/search.md."""

from __future__ import annotations

import tenfold
from benchmarks.peers.budget import Budget, Shrunk
from benchmarks.peers.cases import Case
from tenfold.build.rebuild import rebuild


def shrink(case: Case, budget: Budget) -> Shrunk:
    """Plan and decompose; nothing is fitted to the original's outputs."""
    plan = tenfold.plan(
        case.model,
        case.example,
        {budget.cost: budget.share},
        method="super-layer",
        metric="frobenius",
    )
    return Shrunk(rebuild(case.model, plan, {}))
