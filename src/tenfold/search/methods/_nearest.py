"""Ranks that know no budget, scaled together until it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tenfold.search.methods._threshold import largest_that_fits
from tenfold.search.problem import Menu, Problem, Selection

Wanted = tuple[str, tuple[int, ...]]  # a format and its ranks


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
