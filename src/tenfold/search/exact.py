"""The last step: rows that cannot be part of a better selection are ruled out, the rest is tried.

With prices from the certificate, a row whose priced damage exceeds its site's least by more than
the gap between incumbent and bound is in no better selection (variable fixing; Kellerer, Pferschy
and Pisinger 2004, section 11.3). What is left is searched depth first under the same bound, as
far as a limit on visits allows. A search that ends within it has proved its selection the best:
the certificate then has no gap. One that does not proves what the branches that it left can reach.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tenfold.search.bound import best_prices, dual
from tenfold.search.problem import CAPACITY, Menu, Problem, Selection

VISITS = 20_000
SAME = 1e-9  # damages closer than this, relatively, count as one


@dataclass(frozen=True)
class Kept:
    """The rows of one site that may be part of a better selection, cheapest priced first."""

    site: int
    rows: list[int]
    priced: list[float]
    costs: list[list[float]]
    damage: list[float]


@dataclass(frozen=True)
class Closed:
    """A selection, and what no selection within the budget can go below."""

    selection: Selection
    bound: float


def close_gap(problem: Problem, selection: Selection) -> Closed:
    """The best selection found within the limit on visits, never worse than the one given."""
    incumbent = problem.damage(selection)
    prices = best_prices(problem)
    bound = max(dual(problem, prices), 0.0)
    gap = incumbent - bound
    if gap <= SAME * incumbent:
        return Closed(selection, bound)
    kept = [keep(k, menu, prices, gap) for k, menu in enumerate(problem.menus)]
    if not all(item.rows for item in kept):
        return Closed(selection, bound)
    pairs, floor = descend(sorted(kept, key=lambda item: len(item.rows)), prices, incumbent)
    rows = tuple(row for _, row in sorted(pairs))
    best = rows if rows and problem.fits(rows) else selection
    return Closed(best, max(bound, floor))


def keep(site: int, menu: Menu, prices: Tensor, gap: float) -> Kept:
    """Undominated rows whose priced damage is within the gap of the site's least."""
    rows = menu.efficient
    priced = menu.damage[rows] + menu.costs[rows] @ prices
    order = priced.argsort()
    order = order[priced[order] < priced.min() + gap]
    rows = rows[order]
    return Kept(
        site,
        rows.tolist(),
        priced[order].tolist(),
        menu.costs[rows].tolist(),
        menu.damage[rows].tolist(),
    )


def descend(
    kept: list[Kept], prices: Tensor, incumbent: float
) -> tuple[list[tuple[int, int]], float]:
    """Depth first over sites with few rows first: ``(site, row)`` pairs better than the
    incumbent, if any, and what no others can go below."""
    price = prices.tolist()
    rest = [0.0] * (len(kept) + 1)  # least priced damage of the sites to come
    for depth in range(len(kept) - 1, -1, -1):
        rest[depth] = rest[depth + 1] + kept[depth].priced[0]
    best: list[tuple[int, int]] = []
    visits, left_out = 0, float("inf")

    def visit(depth: int, chosen: list[tuple[int, int]], damage: float, used: list[float]) -> None:
        """Try the rows of one site, cheapest priced first."""
        nonlocal best, incumbent, visits, left_out
        visits += 1
        if depth == len(kept):
            best, incumbent = list(chosen), damage
            return
        here = kept[depth]
        floor = damage + sum(p * (u - CAPACITY) for p, u in zip(price, used)) + rest[depth + 1]
        for row, priced, costs, harm in zip(here.rows, here.priced, here.costs, here.damage):
            if floor + priced >= incumbent * (1 - SAME):
                return
            if visits > VISITS:
                left_out = min(left_out, floor + priced)
                return
            after = [u + c for u, c in zip(used, costs)]
            if max(after) <= CAPACITY and damage + harm < incumbent * (1 - SAME):
                visit(depth + 1, [*chosen, (here.site, row)], damage + harm, after)

    visit(0, [], 0.0, [0.0] * len(price))
    return best, min(incumbent * (1 - SAME), left_out)
