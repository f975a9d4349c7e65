"""Baseline: one share for every layer, the largest that fits; each layer's best format at it."""

from __future__ import annotations

from tenfold.search.methods._base import METHODS, Outcome
from tenfold.search.methods._threshold import largest_that_fits
from tenfold.search.problem import Menu, Problem


def search(problem: Problem, seed: int) -> Outcome:
    """Every site may keep the same share of its own costs; it takes the least damage within."""
    return Outcome(largest_that_fits(problem, _within))


def _within(menu: Menu, share: float) -> int:
    """The row of least damage whose every cost is within a share of the dense layer's, or the
    cheapest row when none is."""
    dense = menu.costs[menu.formats.index("dense")]
    fits = (menu.costs <= share * dense + 1e-15).all(1)
    if not bool(fits.any()):
        return int(menu.costs.sum(1).argmin())
    return int(menu.damage.masked_fill(~fits, float("inf")).argmin())


METHODS.add("uniform", search)
