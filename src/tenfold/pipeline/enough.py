"""The nearest budget at which a network follows the original, where the one asked is too small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from tenfold.curves.outcome import Judge
from tenfold.curves.trace import Curve
from tenfold.pipeline.prefer import Candidate, standing_in
from tenfold.values import Forecast, Limit, Plan

AGREEMENT, AGREEMENT_MADE = 0.95, 0.85  # made inputs are harder
STEPS = 3  # halvings of what lies between the budget and the whole network


def with_way_out(
    model: nn.Module,
    forecast: Forecast,
    plan: Plan,
    curves: Sequence[Curve],
    find: Callable[[Sequence[Limit]], Plan],
    judge: Judge | None,
) -> Forecast:
    """The forecast with a budget that is enough, where the network will hardly work. Only one
    limit that counts can be moved."""
    if judge is None or not forecast.hardly or len(plan.budget) != 1 or plan.measured:
        return forecast
    (limit,) = plan.budget
    whole = plan.before[limit.cost]
    low, high = limit.value / whole, 1.0
    for _ in range(STEPS):
        share = (low + high) / 2
        wider = find([replace(limit, value=share * whole)])
        with standing_in(model, Candidate(wider, curves)):
            wanted = AGREEMENT_MADE if judge.made else AGREEMENT
            enough = judge.forecast(model).agreement >= wanted
        low, high = (low, share) if enough else (share, high)
    return replace(forecast, enough=f"{limit.cost}={high:.2f}") if high < 1 else forecast
