"""Truncated SVD whitened by input moments, one share for every layer (SVD-LLM, Wang et al. 2024),
as ``benchmarks.claims.real_networks`` has it."""

from __future__ import annotations

from benchmarks.claims._outside_rows import one_share, whitened
from benchmarks.peers.budget import Budget, Shrunk
from benchmarks.peers.cases import Case


def shrink(case: Case, budget: Budget) -> Shrunk:
    """Whiten by the calibration inputs, cut every layer alike."""
    if not case.outside.calibration:
        raise ValueError("needs calibration inputs, and this network comes with none")
    return Shrunk(one_share(case.outside, {budget.cost: budget.share}, whitened(case.outside)))
