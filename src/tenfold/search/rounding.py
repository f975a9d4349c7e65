"""Strict: a selection is brought inside the budget, then every bit of slack is spent."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from tenfold.search.problem import CAPACITY, SLACK, Menu, Problem, Selection, joint_failure

ROUNDS = 6  # of exchanges; two or three suffice in practice


def polish(problem: Problem, selection: Selection) -> Selection:
    """Repair, fill, and exchange until nothing helps; the result fits and is no worse than
    any feasible start."""
    selection = fill(problem, repair(problem, selection))
    for _ in range(ROUNDS):
        better = fill(problem, exchange(problem, selection))
        if problem.damage(better) >= problem.damage(selection) * (1 - 1e-9):
            return better
        selection = better
    return selection


def repair(problem: Problem, selection: Selection) -> Selection:
    """Step down where it hurts least per share saved, until every limit holds."""
    rows = list(selection)
    usage = problem.usage(selection)
    while bool((usage > CAPACITY).any()):
        moves = [_step_down(menu, row, usage) for menu, row in zip(problem.menus, rows)]
        price, site, row = min((price, site, row) for site, (price, row) in enumerate(moves))
        if price == torch.inf:
            raise joint_failure(problem, usage)
        rows[site] = row
        usage = problem.usage(tuple(rows))
    return tuple(rows)


def _step_down(menu: Menu, row: int, usage: Tensor) -> tuple[float, int]:
    """The best smaller row: least damage added per share of violated capacity saved."""
    over = (usage - 1).clamp_min(0)
    rows = menu.efficient
    saved = ((menu.costs[row] - menu.costs[rows]).clamp_max(over) * (over > 0)).sum(1)
    keeps = (usage - menu.costs[row] + menu.costs[rows] <= usage.clamp_min(1) + SLACK).all(1)
    added = (menu.damage[rows] - menu.damage[row]).clamp_min(0)
    price = torch.where((saved > 0) & keeps, (added + 1e-300) / saved, torch.inf)
    best = int(price.argmin())
    return float(price[best]), int(rows[best])


def fill(problem: Problem, selection: Selection) -> Selection:
    """Spend slack: the step that removes most damage per share, as long as one fits."""
    rows = list(selection)
    while True:
        room = CAPACITY - problem.usage(tuple(rows))
        moves = [_step_up(menu, row, room) for menu, row in zip(problem.menus, rows)]
        gain, site, row = max((gain, -site, row) for site, (gain, row) in enumerate(moves))
        if gain <= 0:
            return tuple(rows)
        rows[-site] = row


def _step_up(menu: Menu, row: int, room: Tensor) -> tuple[float, int]:
    """The best row that fits: most damage removed per share of capacity."""
    rows = menu.efficient
    extra = menu.costs[rows] - menu.costs[row]
    removed = menu.damage[row] - menu.damage[rows]
    fits = (extra <= room).all(1) & (removed > 1e-12 * menu.damage[row].abs())
    gain = torch.where(fits, removed / extra.clamp_min(0).sum(1).clamp_min(1e-12), -torch.inf)
    best = int(gain.argmax())
    return float(gain[best]), int(rows[best])


def exchange(problem: Problem, selection: Selection) -> Selection:
    """For every pair of sites, the best two rows within what the others leave."""
    rows = list(selection)
    usage = problem.usage(selection)
    for i, j in combinations(range(len(rows)), 2):
        first, second = problem.menus[i], problem.menus[j]
        free = CAPACITY - (usage - first.costs[rows[i]] - second.costs[rows[j]])
        now = first.damage[rows[i]] + second.damage[rows[j]]
        total, pair = best_pair(first, second, free)
        if total < float(now) * (1 - 1e-9):
            rows[i], rows[j] = pair
            usage = problem.usage(tuple(rows))
    return tuple(rows)


def best_pair(first: Menu, second: Menu, free: Tensor) -> tuple[float, tuple[int, int]]:
    """Least joint damage of two sites within ``free`` capacity."""
    a, b = first.efficient, second.efficient
    fits = torch.ones(len(a), len(b), dtype=torch.bool)
    for limit in range(len(free)):
        fits &= first.costs[a, limit, None] + second.costs[b, limit] <= free[limit]
    damage = torch.where(fits, first.damage[a, None] + second.damage[b], torch.inf)
    best = int(damage.argmin())
    return float(damage.flatten()[best]), (int(a[best // len(b)]), int(b[best % len(b)]))
