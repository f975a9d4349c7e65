"""model, example, agreement -> Plan: a budget by quality, found by halving one of a cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from tenfold.costs import MEASURED
from tenfold.errors import BudgetError, bad_value
from tenfold.machine.progress import Progress, silent
from tenfold.network.guest import hosting
from tenfold.pipeline.points import Asked, planner
from tenfold.pipeline.purpose import read_planning
from tenfold.pipeline.realise import check_depth, realise
from tenfold.settings import PlanSettings
from tenfold.tasks import Purpose
from tenfold.values import Forecast, Plan

HALVINGS = 6  # to a part in 64 of the original


def smallest(
    model: nn.Module,
    example: Any,
    agreement: float,
    *,
    cost: str = "params",
    planning: PlanSettings | Mapping[str, Any] | None = None,
    calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Plan:
    """The plan of the smallest network that keeps so much of what the original says.

    Shares of ``cost`` are halved six times; the network of each is built, fitted and held against
    the original on inputs that made nothing of it, as its forecast tells. What is sensed and
    measured is had once.

    Args:
        agreement: the share of the original's decisions to keep, or of its outputs where it makes
            none, more than 0 and less than 1.
        cost: what is to be small; one that is counted.
        model, example, planning, calibration, progress, settings: as ``plan`` takes them.

    Raises:
        BudgetError: nothing smaller than the original keeps so much.
        InputError: as ``plan``; or no inputs can be held apart, so that nothing tells agreement.
    """
    if not 0 < agreement < 1:
        raise bad_value("agreement must lie between 0 and 1", agreement, "use 0.98, say")
    if cost in MEASURED:
        raise bad_value("agreement needs a cost that can be counted", cost, "use params or macs")
    wanted, task = read_planning(planning, settings)
    check_depth(wanted.refine, {cost: "0.5"})
    with hosting(model, example, wanted.seed) as guest:
        purpose = Purpose(task)
        asked = Asked(guest, cost, wanted, calibration, purpose, None, None, progress)
        return halved(asked, agreement)


def halved(asked: Asked, agreement: float) -> Plan:
    """The plan of the least share found that keeps enough."""
    plan_for, best = planner(asked), None
    low, high = 0.0, 1.0
    for done in range(HALVINGS):
        share = (low + high) / 2
        plan = built_plan(asked, plan_for, share)
        if plan is not None and told(plan.forecast).agreement >= agreement:
            best, high = plan, share
        else:
            low = share
        asked.progress("budgets", done + 1, HALVINGS)
    if best is None:
        raise BudgetError(
            f"agreement must be one that a smaller network keeps, but found {agreement:g}, which "
            f"none of {asked.cost}={low:.3g} keeps; ask for less, or pass calibration=..."
        )
    return best


def built_plan(asked: Asked, plan_for: Any, share: float) -> Plan | None:
    """The plan of a share, with the forecast of its network; None where it cannot be met."""
    try:
        chosen = plan_for(f"{share:.6g}")
    except BudgetError:
        return None
    return realise(chosen, asked.settings, asked.progress)[0]


def told(forecast: Forecast | None) -> Forecast:
    """Raises InputError where there is nothing to forecast from."""
    if forecast is None:
        raise bad_value(
            "agreement needs inputs that are held apart", "none", "pass calibration=..."
        )
    return forecast
