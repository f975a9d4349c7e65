"""Baseline: one energy threshold for every layer, the highest that fits.

The rule of thumb behind most hand-made scripts: keep the smallest ranks that retain a given
share of the squared norm, in the cheapest format that does.
"""

from __future__ import annotations

from tenfold.search.methods._base import METHODS, Outcome
from tenfold.search.methods._threshold import largest_that_fits
from tenfold.search.problem import Menu, Problem


def search(problem: Problem, seed: int) -> Outcome:
    """Every site retains at least the same share of its energy, as cheaply as it can."""
    return Outcome(largest_that_fits(problem, _retaining))


def _retaining(menu: Menu, energy: float) -> int:
    """The cheapest row whose relative squared error is at most ``1 - energy``."""
    keeps = menu.errors <= 1 - energy + 1e-15
    return int(menu.costs.sum(1).masked_fill(~keeps, float("inf")).argmin())


METHODS.add("energy", search)
