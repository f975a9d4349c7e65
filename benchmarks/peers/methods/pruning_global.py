"""Torch-Pruning with one ranking of all channels, isomorphic groups apart, as its README advises
for global pruning (Fang et al. 2024)."""

from __future__ import annotations

from benchmarks.peers.budget import Budget, Shrunk
from benchmarks.peers.cases import Case
from benchmarks.peers.methods._pruned import pruned


def shrink(case: Case, budget: Budget) -> Shrunk:
    """Global."""
    return pruned(case, budget, global_pruning=True, isomorphic=True)
