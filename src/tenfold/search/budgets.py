"""Several budgets of one cost, as a person writes them: a range of shares, or a list of amounts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from tenfold.costs import cost_named
from tenfold.errors import BudgetError
from tenfold.search.budget import parse_budget

Amounts: TypeAlias = "str | Iterable[float | str]"

SHARE = r"([0-9]*\.?[0-9]+)"
RANGE = re.compile(rf"\s*{SHARE}\.\.{SHARE}(?::([0-9]+))?\s*")
STEP = 0.1  # of a range that says no number of points
WAY_OUT = "write a range as 0.9..0.1 or 0.9..0.1:9, or a list as 0.9,0.5,0.25"


def read_budgets(spec: Amounts, cost: str) -> tuple[str, ...]:
    """``"0.9..0.1"`` (in steps of 0.1), ``"0.9..0.1:9"`` (so many points), ``"0.9,0.5,54k"`` or a
    sequence, as amounts of the cost, each once. Raises BudgetError for anything else."""
    if isinstance(spec, str):
        match = RANGE.fullmatch(spec)
        amounts = spread(spec, *match.groups()) if match else spec.split(",")
    else:
        amounts = [str(amount) for amount in spec]
    distinct = tuple(dict.fromkeys(amount.strip() for amount in amounts))
    if not all(distinct) or not distinct:
        raise BudgetError(f"Budgets must be amounts, but found {spec!r}; {WAY_OUT}.")
    for amount in distinct:
        parse_budget({cost: amount})
        check_amount(amount.partition("@")[0], cost)
    return distinct


def check_amount(amount: str, cost: str) -> None:
    """Raises BudgetError for what is neither a share nor an amount."""
    if cost_named(cost).share(amount) is None:
        cost_named(cost).read(amount)


def spread(spec: str, first: str, last: str, count: str | None) -> list[str]:
    """Shares from the first to the last, both included where the steps meet the last."""
    start, end = float(first), float(last)
    steps = int(abs(end - start) / STEP + 1e-6) if count is None else int(count) - 1
    if steps < 1 and start != end:
        raise BudgetError(f"A range must hold two budgets or more, but found {spec!r}; {WAY_OUT}.")
    step = STEP if count is None else abs(end - start) / max(steps, 1)
    step = step if end > start else -step
    return [f"{start + step * k:.6g}" for k in range(steps + 1)]
