"""One number for the whole network, as large as the budget allows: a level of every layer, or a
factor of ranks that know no budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tenfold.search.problem import Menu, Problem, Selection
from tenfold.search.rounding import repair

STEPS = 40  # bisections
Wanted = tuple[str, tuple[int, ...]]  # a format and its ranks


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


def scaled_to_fit(problem: Problem, wanted: Mapping[str, Wanted]) -> Selection:
    """The wanted ranks of each site times the largest common factor that fits."""
    return largest_that_fits(
        problem, lambda menu, level: nearest(menu, wanted.get(menu.site.name), level)
    )


def nearest(menu: Menu, wanted: Wanted | None, level: float) -> int:
    """The row of the wanted format closest to its ranks times ``level / (1 - level)``; dense at
    level 1 and where nothing is wanted."""
    dense = menu.formats.index("dense")
    if wanted is None or level >= 1:
        return dense
    name, ranks = wanted
    rows = [row for row, fmt in enumerate(menu.formats) if fmt == name]
    goal = [max(1.0, rank * level / (1 - level)) for rank in ranks]
    return min(rows, key=lambda row: distance(menu.ranks[row], goal))


def distance(ranks: Sequence[int], goal: Sequence[float]) -> float:
    """Squared distance of the logarithms."""
    return sum(math.log(r / g) ** 2 for r, g in zip(ranks, goal))
