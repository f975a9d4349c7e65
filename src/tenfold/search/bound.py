"""Certificate: the Lagrangian lower bound of the multiple-choice knapsack.

For any prices >= 0 the sum over sites of ``min(damage + prices . costs)`` less ``sum(prices)``
is below the damage of every selection within the budget (Fisher 1981). The best prices found
give the bound; it certifies the proxy that is searched, never the accuracy.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tenfold.search.problem import CAPACITY, Problem

BISECTIONS = 60
CYCLES = 4


def lower_bound(problem: Problem) -> float:
    """A number that no selection within the budget can go below, in units of damage."""
    return max(dual(problem, best_prices(problem)), 0.0)


def best_prices(problem: Problem) -> Tensor:
    """The prices, one a limit, of the greatest dual value found; ``(limits,)``."""
    limits = len(problem.limits)
    prices = torch.zeros(limits, dtype=torch.float64)
    best, value = prices.clone(), dual(problem, prices)
    for _ in range(CYCLES if limits > 1 else 1):
        for limit in range(limits):
            prices[limit] = _best_price(problem, prices, limit)
            reached = dual(problem, prices)
            if reached > value:
                best, value = prices.clone(), reached
    return best


def dual(problem: Problem, prices: Tensor) -> float:
    """The Lagrangian at these prices. With a capacity of 1, rounding alone could exceed it, and
    prices that then rise without end would make a false bound."""
    relaxed = sum(_cheapest(menu.damage, menu.costs, prices)[0] for menu in problem.menus)
    return float(relaxed - prices.sum() * CAPACITY)


def _best_price(problem: Problem, prices: Tensor, limit: int) -> float:
    """Bisect the price of one limit: the dual is concave, its slope is the excess usage."""
    low, high = 0.0, 1.0
    while _excess(problem, prices, limit, high) > 0 and high < 1e30:
        low, high = high, high * 10
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _excess(problem, prices, limit, middle) > 0:
            low = middle
        else:
            high = middle
    return high


def _excess(problem: Problem, prices: Tensor, limit: int, price: float) -> float:
    """Usage beyond the capacity of one limit when it has this price."""
    tried = prices.clone()
    tried[limit] = price
    used = sum(_cheapest(m.damage, m.costs, tried)[1][limit] for m in problem.menus)
    return float(used) - CAPACITY


def _cheapest(damage: Tensor, costs: Tensor, prices: Tensor) -> tuple[float, Tensor]:
    """Least priced damage of a site, and the capacity it takes."""
    priced = damage + costs @ prices
    row = int(priced.argmin())
    return float(priced[row]), costs[row]
