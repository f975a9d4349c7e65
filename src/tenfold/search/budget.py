"""What a person asks for: shares of the original or absolute amounts, several costs at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tenfold.costs import COSTS, MEASURED, WAY_OUT, Target, cost_named
from tenfold.errors import BudgetError
from tenfold.values import Limit, Site

BudgetSpec: TypeAlias = "str | Mapping[str, float | str]"


def parse_budget(spec: BudgetSpec) -> dict[str, str]:
    """``"params=0.2,macs=0.5"`` or ``{"params": 0.2}`` as cost -> amount as written."""
    if isinstance(spec, Mapping):
        amounts = {str(cost): str(amount) for cost, amount in spec.items()}
    elif isinstance(spec, str):
        parts = [part for part in re.split(r"[,\s]+", spec.strip()) if part]
        if not parts or any(part.count("=") != 1 for part in parts):
            raise _refuse("A budget must read cost=amount", spec)
        names = [part.split("=")[0] for part in parts]
        if len(set(names)) < len(names):
            raise _refuse("A budget must name each cost once", spec)
        amounts = dict(part.split("=") for part in parts)
    else:
        raise _refuse("A budget must be text or a mapping", spec)
    if not amounts:
        raise _refuse("A budget must limit at least one cost", spec)
    for cost in amounts:
        if cost not in COSTS and cost not in MEASURED:
            raise BudgetError(
                f"A budget must name a known cost, but found {cost!r}; "
                f"choose from {', '.join((*COSTS, *MEASURED))}."
            )
    measured_target(amounts)
    return amounts


def measured_target(amounts: Mapping[str, str]) -> Target | None:
    """What the measured limit holds for; None where all limits are on counts."""
    targets = [cost_named(cost).target(amount) for cost, amount in amounts.items()]
    measured = [target for target in targets if target is not None]
    if len(measured) > 1:
        names = " and ".join(target.cost for target in measured)
        raise BudgetError(
            f"A budget must limit one measured cost at most, but found {names}; "
            "limit the other by counts, as macs=0.5."
        )
    return measured[0] if measured else None


def resolve_budget(spec: BudgetSpec, totals: Mapping[str, float]) -> tuple[Limit, ...]:
    """Absolute limits for a model with these totals. Raises BudgetError for anything unclear."""
    return tuple(
        Limit(cost, amount, _absolute(cost, amount.partition("@")[0], totals[cost]))
        for cost, amount in parse_budget(spec).items()
    )


def usual_step(costs: Iterable[str], site: Site) -> int:
    """Ranks of a site are multiples of this where these costs are limited."""
    return math.lcm(*(cost_named(cost).step(site) for cost in costs))


def _absolute(cost: str, amount: str, total: float) -> float:
    """A share times the total, or the amount as it stands."""
    share = cost_named(cost).share(amount)
    return cost_named(cost).read(amount) if share is None else share * total


def _refuse(rule: str, value: object) -> BudgetError:
    return BudgetError(f"{rule}, but found {value!r}; {WAY_OUT}.")
