"""Search, measure what was chosen, search again; then build, measure the whole, and correct."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tenfold.costs import MEASURED
from tenfold.curves.trace import Curve
from tenfold.errors import BudgetError
from tenfold.latency.ruler import Ruler
from tenfold.latency.unit import Unit, units_of
from tenfold.values import Choice, Limit, Plan, Survey

LOOKS = 8  # searches until every chosen row must be a measured one
ROUNDS = 4  # plans that are built and measured
NEAR = 3  # rows measured around a chosen one
MARGIN = 0.03  # of the limit, left free for the noise of the meter

Find = Callable[[Survey, Sequence[Curve], Sequence[Tensor], Sequence[Limit]], Plan]
Gauge = Callable[[Plan], float]  # what the network that a plan describes takes


@dataclass(frozen=True)
class Tried:
    """A plan and what its network took."""

    plan: Plan
    reached: float


def settle(
    ruler: Ruler,
    survey: Survey,
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    limits: Sequence[Limit],
    find: Find,
    gauge: Gauge | None,
) -> Plan:
    """A plan whose cost by the ruler was measured, layer by layer and, with a ``gauge``, as a
    whole.

    What the whole takes beyond the sum of its layers is booked on the part outside the sites and
    the search runs again, a few rounds at most. The best plan within the limit is returned, or
    the one that came closest: the report says by how much it missed.

    Raises BudgetError when the limits cannot be met by the table.
    """
    cost = ruler.cost
    (limit,) = (limit for limit in limits if limit.cost == cost)
    tried: list[Tried] = []
    for _ in range(ROUNDS):
        try:
            plan = find_measured(ruler, survey, curves, damages, limits, find)
        except BudgetError:
            if not tried:
                raise
            break  # the correction made it unreachable by the table
        if gauge is None:
            return plan
        tried.append(Tried(plan, gauge(plan)))
        if (1 - 2 * MARGIN) * limit.value <= tried[-1].reached <= limit.value:
            break
        beyond = tried[-1].reached - plan.predicted[cost]
        survey = replace(survey, fixed={**survey.fixed, cost: survey.fixed[cost] + beyond})
    return record(best(tried, limit.value), tried, cost)


def find_measured(
    ruler: Ruler,
    survey: Survey,
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    limits: Sequence[Limit],
    find: Find,
) -> Plan:
    """Search until every chosen row was measured; at last among measured rows alone."""
    sites = {site.name: site for site in survey.sites}
    tight = [
        replace(x, value=(1 - MARGIN) * x.value)
        if x.cost == ruler.cost and x.value < survey.totals[x.cost]  # else it is met already
        else x
        for x in limits
    ]
    plan = None
    for look in range(LOOKS):
        last = look == LOOKS - 1 and ruler.measure is not None
        plan = find(survey, *ruler.price(curves, damages, exact=last), tight)
        unsure = [c for c in plan.choices if not ruler.knows(c, sites[c.site])]
        if not unsure or ruler.measure is None:
            break
        ruler.know(u for choice in unsure for u in around(choice, curves))
    assert plan is not None
    return replace(plan, budget=tuple(limits))


def around(choice: Choice, curves: Sequence[Curve]) -> Iterator[Unit]:
    """The chosen row and the rows next to it, where the search is likely to look again."""
    (curve,) = (c for c in curves if (c.site.name, c.format) == (choice.site, choice.format))
    here = torch.tensor(choice.ranks).log()
    apart = (curve.ranks.log() - here).abs().sum(1)
    for ranks in curve.ranks[apart.argsort()[:NEAR]].tolist():
        yield from units_of(curve.site, curve.format, ranks)


def best(tried: Sequence[Tried], limit: float) -> Tried:
    """The least damage within the limit, or else the one that takes least; of equal ones the last,
    which was predicted with all that was learnt."""
    within = [x for x in reversed(tried) if x.reached <= limit]
    if within:
        return min(within, key=lambda x: x.plan.damage)
    return min(tried, key=lambda x: x.reached)


def record(chosen: Tried, tried: Sequence[Tried], cost: str) -> Plan:
    """The plan with what was measured on the way."""
    rounds = [{"predicted": x.plan.predicted[cost], "reached": x.reached} for x in tried]
    before = chosen.plan.measured
    noted = {**before.get(cost, {}), MEASURED[cost].reached_key: chosen.reached, "rounds": rounds}
    return replace(chosen.plan, measured={**before, cost: noted})
