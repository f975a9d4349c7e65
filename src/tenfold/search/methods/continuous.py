"""The default search: relaxed ranks and formats of all sites, one composite loss, then strict.

Each format of a site is a path from its cheapest to its best row; a real position on the path
is the relaxed rank, a softmax over the site's formats the relaxed choice. The loss is the
logarithm of the expected damage plus an augmented Lagrangian for each limit (Nocedal and
Wright 2006, chapter 17), so several budgets hold at once; a falling temperature ends in
one-hot. No data enters: the signature has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.search.exact import close_gap
from tenfold.search.methods._base import METHODS, Outcome
from tenfold.search.problem import Menu, Problem, Selection
from tenfold.search.rounding import polish

STEPS = 300
RATE = 0.15
NODES = 48  # points a path
HOT, COLD = 1.0, 0.03  # temperature at the start and the end
PENALTY = 20.0  # of the augmented Lagrangian
UPDATE = 5  # steps between two updates of the multipliers


@dataclass(frozen=True)
class Paths:
    """Every format of every site, padded: sites x formats x nodes."""

    damage: Tensor  # (S, F, K), logarithm
    costs: Tensor  # (S, F, K, limits)
    rows: Tensor  # (S, F, K), row of the menu
    absent: Tensor  # (S, F), padding


def search(problem: Problem, seed: int) -> Outcome:
    """Descend on relaxed ranks and formats, then round strictly, spend the slack and
    rule out what could still be better.

    Deterministic: the start is the same for every seed. The trace has one entry every few
    steps: ``damage`` and, per limit, the used share of the capacity.
    """
    paths = make_paths(problem)
    position = torch.zeros(paths.absent.shape, dtype=torch.float64, requires_grad=True)
    logits = torch.zeros(paths.absent.shape, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([position, logits], lr=RATE)
    prices = torch.zeros(len(problem.limits), dtype=torch.float64)
    trace = []
    with torch.enable_grad():
        for step in range(STEPS):
            temperature = HOT * (COLD / HOT) ** (step / (STEPS - 1))
            damage, usage = relaxed(paths, position, logits / temperature)
            over = usage - 1
            force = (prices + PENALTY * over).clamp_min(0)
            loss = damage.log() + (force.square() - prices.square()).sum() / (2 * PENALTY)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if step % UPDATE == 0:
                prices = force.detach()
                trace.append(_record(problem, step, damage, usage, temperature))
    rounded = polish(problem, harden(paths, position, logits))
    closed = close_gap(problem, rounded)
    return Outcome(closed.selection, tuple(trace), closed.bound)


def relaxed(paths: Paths, position: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Expected damage and usage of the relaxed ranks under the softmax over formats."""
    share = torch.softmax(logits.masked_fill(paths.absent, -torch.inf), dim=1)
    at = torch.sigmoid(position) * (NODES - 1)
    left = at.detach().floor().clamp(0, NODES - 2).long()
    mix = at - left
    damage = torch.lerp(_take(paths.damage, left), _take(paths.damage, left + 1), mix).exp()
    costs = torch.lerp(_take(paths.costs, left), _take(paths.costs, left + 1), mix.unsqueeze(-1))
    return (share * damage).sum(), (share.unsqueeze(-1) * costs).sum((0, 1))


def _take(table: Tensor, node: Tensor) -> Tensor:
    """Entries of ``(S, F, K, ...)`` at one node of each path."""
    index = node.reshape(*node.shape, *(1 for _ in table.shape[2:]))
    return table.gather(2, index.expand(*node.shape, 1, *table.shape[3:])).squeeze(2)


def harden(paths: Paths, position: Tensor, logits: Tensor) -> Selection:
    """The likeliest format of each site at the next cheaper row of its path."""
    best = logits.detach().masked_fill(paths.absent, -torch.inf).argmax(1, keepdim=True)
    at = (torch.sigmoid(position.detach()).gather(1, best) * (NODES - 1)).floor().long()
    rows = paths.rows.gather(1, best.unsqueeze(-1).expand(-1, -1, NODES)).squeeze(1)
    return tuple(rows.gather(1, at).squeeze(1).tolist())


def make_paths(problem: Problem) -> Paths:
    """Per site and format the rows worth having, resampled to a fixed number of nodes."""
    floor = 1e-9 * sum(float(menu.damage.max()) for menu in problem.menus) + 1e-300
    all_rows = [_format_rows(menu) for menu in problem.menus]
    widest = max(map(len, all_rows))
    rows = torch.stack([torch.stack([*r, *[r[0]] * (widest - len(r))]) for r in all_rows])
    absent = torch.tensor([[k >= len(r) for k in range(widest)] for r in all_rows])
    pick = [(menu, table) for menu, table in zip(problem.menus, rows)]
    return Paths(
        damage=torch.stack([menu.damage[table].clamp_min(floor).log() for menu, table in pick]),
        costs=torch.stack([menu.costs[table] for menu, table in pick]),
        rows=rows,
        absent=absent,
    )


def _format_rows(menu: Menu) -> list[Tensor]:
    """For each format its undominated rows by rising cost, spread over the nodes of a path."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(menu.formats):
        groups.setdefault(name, []).append(row)
    paths = []
    for members in groups.values():
        rows = torch.tensor(members)
        rows = rows[torch.argsort(menu.costs[rows].sum(1), stable=True)]
        best = menu.damage[rows].cummin(0).values
        keep = torch.cat([torch.ones(1, dtype=torch.bool), best[1:] < best[:-1]])
        rows = rows[keep]
        spread = torch.linspace(0, len(rows) - 1, NODES).round().long()
        paths.append(rows[spread])
    return paths


def _record(
    problem: Problem, step: int, damage: Tensor, usage: Tensor, temperature: float
) -> dict[str, float]:
    """One line of the trace."""
    used = {limit.cost: u for limit, u in zip(problem.limits, usage.tolist())}
    return {"step": step, "damage": damage.item(), "temperature": temperature, **used}


METHODS.add("continuous", search)
