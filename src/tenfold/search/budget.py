"""What a person asks for: shares of the original or absolute counts, several at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tenfold.costs import COSTS
from tenfold.errors import BudgetError
from tenfold.runtimes import ENGINES
from tenfold.values import Limit

BudgetSpec: TypeAlias = "str | Mapping[str, float | str]"

UNITS = {
    "": 1.0,
    "k": 1e3,
    "m": 1e6,
    "g": 1e9,
    "t": 1e12,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
    "b": 1.0,
}
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}  # of latency, which is in milliseconds
LATENCY = "latency"  # measured on an engine where it is asked for; all other costs are counted
AMOUNT = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*(%|[a-z]*)\s*", re.IGNORECASE)
WAY_OUT = "write a share such as params=0.2 or params=20%, or a count such as params=54k"
TIME_OUT = "write a share such as latency=0.5, or a time such as latency=3ms@onnxruntime"


@dataclass(frozen=True)
class Target:
    """What a latency holds for; ``share`` when the limit is a share of the original's."""

    engine: str
    threads: int
    share: bool


def parse_budget(spec: BudgetSpec) -> dict[str, str]:
    """``"params=0.2,macs=0.5"`` or ``{"params": 0.2}`` as cost -> amount as written."""
    if isinstance(spec, Mapping):
        asked = {str(cost): str(amount) for cost, amount in spec.items()}
    elif isinstance(spec, str):
        parts = [part for part in re.split(r"[,\s]+", spec.strip()) if part]
        if not parts or any(part.count("=") != 1 for part in parts):
            raise _refuse("A budget must read cost=amount", spec)
        names = [part.split("=")[0] for part in parts]
        if len(set(names)) < len(names):
            raise _refuse("A budget must name each cost once", spec)
        asked = dict(part.split("=") for part in parts)
    else:
        raise _refuse("A budget must be text or a mapping", spec)
    if not asked:
        raise _refuse("A budget must limit at least one cost", spec)
    for cost, amount in asked.items():
        if cost != LATENCY and "@" in amount:
            raise _refuse(f"A limit on {cost} holds on every engine", amount)
        if cost not in (*COSTS, LATENCY):
            raise BudgetError(
                f"A budget must name a known cost, but found {cost!r}; "
                f"choose from {', '.join((*COSTS, LATENCY))}."
            )
    latency_target(asked)
    return asked


def latency_target(asked: Mapping[str, str]) -> Target | None:
    """The engine behind ``0.3@onnxruntime`` or ``3ms@onnxruntime:2`` (two threads); PyTorch
    eager on one thread where none is named; None where no latency is asked for."""
    if LATENCY not in asked:
        return None
    amount, _, place = asked[LATENCY].partition("@")
    engine, _, threads = place.partition(":")
    share = _absolute(LATENCY, amount, -1.0) < 0
    if engine and engine not in ENGINES:
        raise BudgetError(
            f"A latency must name a known engine, but found {engine!r}; "
            f"choose from {', '.join(ENGINES)}."
        )
    if threads and not (threads.isdecimal() and int(threads) > 0):
        raise BudgetError(
            f"A latency must name a number of threads after the colon, but found {threads!r}; "
            "write latency=0.5@onnxruntime:2."
        )
    return Target(engine or "eager", int(threads or 1), share)


def resolve_budget(spec: BudgetSpec, totals: Mapping[str, float]) -> tuple[Limit, ...]:
    """Absolute limits for a model with these totals. Raises BudgetError for anything unclear."""
    return tuple(
        Limit(cost, amount, _absolute(cost, amount.partition("@")[0], totals[cost]))
        for cost, amount in parse_budget(spec).items()
    )


def _absolute(cost: str, amount: str, total: float) -> float:
    """A share (at most 1, or per cent) times the total; or a count as it stands."""
    match, units = AMOUNT.fullmatch(amount), TIMES if cost == LATENCY else UNITS
    if not match or match[2].lower() not in (*units, "", "%"):
        kind = "time" if cost == LATENCY else "count"
        raise _refuse(f"A limit on {cost} must be a share or a {kind}", amount)
    number, unit = float(match[1]), match[2].lower()
    if math.isinf(number):
        raise _refuse(f"A limit on {cost} must be finite", amount)
    if unit == "%":
        number /= 100
    if unit in ("", "%"):
        most = float("inf") if cost == LATENCY else 100  # a time always has its unit
        if number <= 0 or 1 < number < most or (unit == "%" and number > 1):
            raise _refuse(f"A share of {cost} must be above 0 and at most 1", amount)
        if number <= 1:
            return number * total
    if number <= 0:
        raise _refuse(f"A limit on {cost} must be above 0", amount)
    return number * (units[unit] if unit != "%" else 1)


def _refuse(rule: str, found: object) -> BudgetError:
    return BudgetError(f"{rule}, but found {found!r}; {TIME_OUT if LATENCY in rule else WAY_OUT}.")
