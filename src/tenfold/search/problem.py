"""The discrete choice behind every search: a multiple-choice knapsack over the curves.

One row is one format at one tuple of ranks. Costs are shares of what each limit leaves to the
sites, so a selection is within its budget exactly when every column sums to at most 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.costs import cost_named
from tenfold.curves.trace import Curve
from tenfold.errors import BudgetError
from tenfold.settings import PlanSettings
from tenfold.values import Limit, Refusal, Site, Survey

Selection = tuple[int, ...]  # a row of each menu
SLACK = 1e-12  # of rounding in sums of shares
DEFAULTS = PlanSettings()
CAPACITY = 1 + SLACK  # what a selection may use of each limit


@dataclass(frozen=True)
class Menu:
    """All a site can become."""

    site: Site
    formats: tuple[str, ...]  # per row
    ranks: tuple[tuple[int, ...], ...]  # per row
    errors: Tensor  # (rows,), relative squared error
    damage: Tensor  # (rows,), what the search minimises
    costs: Tensor  # (rows, limits), shares of the capacity
    prices: Mapping[str, Tensor]  # per cost (rows,), absolute
    efficient: Tensor  # rows that no other row beats in damage and all costs


@dataclass(frozen=True)
class Problem:
    """One menu a site; ``curves`` are what the menus were made of."""

    menus: tuple[Menu, ...]
    limits: tuple[Limit, ...]
    curves: tuple[Curve, ...]

    def usage(self, selection: Selection) -> Tensor:
        """Share of each limit's capacity that a selection uses, ``(limits,)``."""
        return torch.stack([m.costs[row] for m, row in zip(self.menus, selection)]).sum(0)

    def damage(self, selection: Selection) -> float:
        """Sum of the predicted damages."""
        return float(sum(m.damage[row] for m, row in zip(self.menus, selection)))

    def fits(self, selection: Selection) -> bool:
        """Whether no limit is exceeded."""
        return bool((self.usage(selection) <= CAPACITY).all())


def make_problem(
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    survey: Survey,
    limits: Sequence[Limit],
) -> Problem:
    """Join curves to menus. Raises BudgetError when a limit cannot be met."""
    check_reachable(curves, survey, limits)
    room = [limit.value - survey.fixed[limit.cost] for limit in limits]
    groups: dict[str, list[int]] = {}
    for index, curve in enumerate(curves):
        groups.setdefault(curve.site.name, []).append(index)
    menus = tuple(
        _menu([curves[i] for i in group], [damages[i] for i in group], limits, room)
        for group in groups.values()
    )
    return Problem(menus, tuple(limits), tuple(curves))


def _menu(
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    limits: Sequence[Limit],
    room: Sequence[float],
) -> Menu:
    """The rows of all curves of one site, one after the other."""
    prices = {cost: torch.cat([c.costs[cost] for c in curves]) for cost in curves[0].costs}
    costs = torch.stack([prices[limit.cost] for limit in limits], 1)
    costs = costs / torch.tensor(room, dtype=torch.float64)
    damage = torch.cat(list(damages)).clamp_min(0)
    return Menu(
        site=curves[0].site,
        formats=tuple(c.format for c in curves for _ in range(len(c))),
        ranks=tuple(tuple(row) for c in curves for row in c.ranks.tolist()),
        errors=torch.cat([c.errors for c in curves]),
        damage=damage,
        costs=costs,
        prices=prices,
        efficient=efficient_rows(damage, costs),
    )


def efficient_rows(damage: Tensor, costs: Tensor) -> Tensor:
    """Indices of rows that no other row beats, cheapest first."""
    order = torch.argsort(
        costs.sum(1) + 1e-9 * damage / damage.max().clamp_min(1e-300), stable=True
    )
    damage, costs = damage[order], costs[order]
    best = damage.cummin(0).values
    ahead = torch.cat([damage.new_full((1,), torch.inf), best[:-1]])
    if costs.shape[1] == 1:
        return order[damage < ahead]
    beaten = torch.stack(
        [
            ((damage <= d) & (costs <= c).all(1) & ((damage < d) | (costs < c).any(1))).any()
            for d, c in zip(damage, costs)
        ]
    )
    return order[~beaten]


def check_reachable(
    curves: Sequence[Curve],
    survey: Survey,
    limits: Sequence[Limit],
    settings: PlanSettings = DEFAULTS,
) -> None:
    """Each limit alone must be reachable with every site at its cheapest."""
    for limit in limits:
        cheapest: dict[str, float] = {}
        for curve in curves:
            least = float(curve.costs[limit.cost].min())
            cheapest[curve.site.name] = min(least, cheapest.get(curve.site.name, least))
        smallest = survey.fixed[limit.cost] + sum(cheapest.values())
        if smallest > limit.value:
            raise unreachable(limit, smallest, survey, settings)


def unreachable(
    limit: Limit, smallest: float, survey: Survey, settings: PlanSettings
) -> BudgetError:
    """The error that names the limit, the smallest reachable cost, the untouchable part with the
    largest of what it holds, and the ways out that these settings leave open."""
    total = survey.totals[limit.cost]
    value, least, whole, rest = (
        cost_named(limit.cost).say(x)
        for x in (limit.value, smallest, total, survey.fixed[limit.cost])
    )
    share = smallest / total * 1.001
    parts = say_largest(survey.refusals)
    return BudgetError(
        f"The limit {limit.cost}={limit.asked} ({value}) cannot be met, but found "
        f"{least} of {whole} ({smallest / total:.1%}) as the smallest reachable, "
        f"{rest} of it in parts no format can touch{f', the largest {parts}' if parts else ''}; "
        f"{' or '.join(ways_out(limit, share, settings))}."
    )


def ways_out(limit: Limit, share: float, settings: PlanSettings) -> list[str]:
    """What may still be done about a limit."""
    ways = [
        (f"ask for at least {limit.cost}={share:.4f}", share <= 1),
        ("include more layers", bool(settings.include)),
        ("exclude fewer layers", bool(settings.exclude)),
        ("allow more formats", settings.formats is not None),
        ("round to a smaller multiple", settings.round_to not in (None, 1)),
    ]
    return [way for way, is_open in ways if is_open] or ["limit another cost"]


def say_largest(refusals: Sequence[Refusal], count: int = 3) -> str:
    """The largest parts, as ``"embed (38,000 parameters)"``."""
    largest = sorted(refusals, key=lambda refusal: -refusal.params)[:count]
    return ", ".join(f"{r.name} ({r.params:,} parameters)" for r in largest if r.params)


def joint_failure(problem: Problem, usage: Tensor) -> BudgetError:
    """The error for limits that can be met one by one but not together."""
    worst = int(usage.argmax())
    limit = problem.limits[worst]
    return BudgetError(
        "Limits must be reachable together, but found "
        f"{limit.cost}={limit.asked} exceeded by {float(usage[worst]) - 1:.2%} "
        "when the others are met; loosen one of them."
    )
