"""The last step: rows that cannot be part of a better selection are ruled out, the rest is tried.

With prices from the certificate, a row whose priced damage exceeds its site's least by more than
the gap between incumbent and bound is in no better selection (variable fixing; Kellerer, Pferschy
and Pisinger 2004, section 11.3). What is left is searched depth first under the same bound, as
far as a limit on visits allows; on small problems that is the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tenfold.search._bound import best_prices
from tenfold.search._problem import Menu, Problem, Selection

VISITS = 20_000


@dataclass(frozen=True)
class Kept:
    """The rows of one site that may be part of a better selection, cheapest priced first."""

    site: int
    rows: list[int]
    priced: list[float]
    costs: list[list[float]]
    damage: list[float]


def close_gap(problem: Problem, selection: Selection) -> Selection:
    """The best selection found within the limit on visits; never worse than the one given."""
    incumbent = problem.damage(selection)
    prices = best_prices(problem)
    least = [float((m.damage + m.costs @ prices).min()) for m in problem.menus]
    gap = incumbent - (sum(least) - float(prices.sum()))
    if gap <= 1e-9 * incumbent:
        return selection
    kept = [keep(k, menu, prices, gap) for k, menu in enumerate(problem.menus)]
    if not all(item.rows for item in kept):
        return selection
    found = descend(sorted(kept, key=lambda item: len(item.rows)), prices, incumbent)
    if found is None:
        return selection
    rows = tuple(row for _, row in sorted(found))
    return rows if problem.fits(rows) else selection


def keep(site: int, menu: Menu, prices: Tensor, gap: float) -> Kept:
    """Undominated rows whose priced damage is within the gap of the site's least."""
    rows = menu.efficient
    priced = menu.damage[rows] + menu.costs[rows] @ prices
    order = priced.argsort()
    order = order[priced[order] < priced.min() + gap]
    rows = rows[order]
    return Kept(
        site, rows.tolist(), priced[order].tolist(), menu.costs[rows].tolist(),
        menu.damage[rows].tolist(),
    )  # fmt: skip


def descend(kept: list[Kept], prices: Tensor, incumbent: float) -> list[tuple[int, int]] | None:
    """Depth first over sites with few rows first; ``(site, row)`` pairs better than the
    incumbent, or None."""
    price = prices.tolist()
    rest = [0.0] * (len(kept) + 1)  # least priced damage of the sites to come
    for depth in range(len(kept) - 1, -1, -1):
        rest[depth] = rest[depth + 1] + kept[depth].priced[0]
    best: list[tuple[int, int]] | None = None
    visits = 0

    def visit(depth: int, chosen: list[tuple[int, int]], damage: float, used: list[float]) -> None:
        nonlocal best, incumbent, visits
        visits += 1
        if depth == len(kept):
            best, incumbent = list(chosen), damage
            return
        here = kept[depth]
        floor = damage + sum(p * (u - 1) for p, u in zip(price, used)) + rest[depth + 1]
        for row, priced, costs, harm in zip(here.rows, here.priced, here.costs, here.damage):
            if visits > VISITS or floor + priced >= incumbent * (1 - 1e-9):
                return
            after = [u + c for u, c in zip(used, costs)]
            if max(after) <= 1 + 1e-12 and damage + harm < incumbent * (1 - 1e-9):
                visit(depth + 1, [*chosen, (here.site, row)], damage + harm, after)

    visit(0, [], 0.0, [0.0] * len(price))
    return best
