"""Torch-Pruning as its quick start has it: one ratio of channels for every layer, by the norms of
groups (Fang et al. 2023)."""

from __future__ import annotations

from benchmarks.peers.budget import Budget, Shrunk
from benchmarks.peers.cases import Case
from benchmarks.peers.methods._pruned import pruned


def shrink(case: Case, budget: Budget) -> Shrunk:
    """Uniform."""
    return pruned(case, budget)
