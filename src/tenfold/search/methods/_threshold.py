"""One number for the whole network, as large as the budget allows."""

from __future__ import annotations

from collections.abc import Callable

from tenfold.search.problem import Menu, Problem, Selection
from tenfold.search.rounding import repair

STEPS = 40  # bisections


def largest_that_fits(problem: Problem, rule: Callable[[Menu, float], int]) -> Selection:
    """The selection of the largest level in [0, 1] that fits; a rule that does not fit even at
    0 is repaired, so the budget holds all the same."""

    def at(level: float) -> Selection:
        return tuple(rule(menu, level) for menu in problem.menus)

    low, high = 0.0, 1.0
    if problem.fits(at(high)):
        return at(high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if problem.fits(at(middle)):
            low = middle
        else:
            high = middle
    return repair(problem, at(low))
