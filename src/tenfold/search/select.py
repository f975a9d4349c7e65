"""Survey, curves, damages and limits -> Plan: run a method and write down what it chose; and anew
where ranks were changed after the search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenfold.curves.excerpt import take_excerpts
from tenfold.curves.trace import Curve
from tenfold.errors import BudgetError
from tenfold.search.bound import lower_bound
from tenfold.search.methods._base import METHODS
from tenfold.search.problem import Menu, make_problem
from tenfold.settings import PlanSettings
from tenfold.values import Choice, ExampleShape, Limit, Plan, Survey

DEFAULTS = PlanSettings()


def search(
    survey: Survey,
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    limits: Sequence[Limit],
    *,
    settings: PlanSettings = DEFAULTS,
    origin: str = "frobenius",
    example: ExampleShape | None = None,
) -> Plan:
    """The plan a method finds within the limits; it has no data argument.

    ``damages`` holds, curve by curve, what each row adds to the predicted output error.
    Raises BudgetError when no plan can meet the limits.
    """
    began = time.perf_counter()
    problem = make_problem(curves, damages, survey, limits)
    outcome = METHODS[settings.method](problem, settings.seed)
    searched = time.perf_counter() - began
    choices = tuple(_choice(menu, row) for menu, row in zip(problem.menus, outcome.selection))
    predicted = {
        cost: survey.fixed[cost] + sum(choice.costs[cost] for choice in choices)
        for cost in choices[0].costs
    }
    for limit in limits:
        if predicted[limit.cost] > limit.value * (1 + 1e-9):
            raise BudgetError(
                f"A plan must keep {limit.cost} within {limit.value:,.3f}, but found "
                f"{predicted[limit.cost]:,.3f} from method {settings.method!r}; "
                "report this as a defect."
            )
    return Plan(
        choices=choices,
        refusals=survey.refusals,
        budget=tuple(limits),
        before=dict(survey.totals),
        predicted=predicted,
        damage=problem.damage(outcome.selection),
        bound=lower_bound(problem) if outcome.bound is None else outcome.bound,
        settings=settings,
        origin=origin,
        example=example,
        trace=outcome.trace,
        seconds={"search": searched},
        curves=take_excerpts(curves, damages),
    )


def _choice(menu: Menu, row: int) -> Choice:
    """One line of the plan."""
    name, ranks = menu.formats[row], menu.ranks[row]
    return Choice(
        site=menu.site.name,
        format=name,
        ranks=ranks,
        error=float(menu.errors[row].clamp_min(0).sqrt()),
        damage=float(menu.damage[row]),
        costs=prices_at(menu, row),
        before=prices_at(menu, menu.formats.index("dense")),
        reason=_why_dense(menu, row) if name == "dense" else "",
        poses=menu.site.poses and name != "dense",
    )


def prices_at(menu: Menu, row: int) -> dict[str, float]:
    """Every cost of one row."""
    return {cost: float(values[row]) for cost, values in menu.prices.items()}


def _why_dense(menu: Menu, row: int) -> str:
    """What the search saw that made it keep a layer whole."""
    others = [k for k, name in enumerate(menu.formats) if name != "dense"]
    if not others:
        return "no allowed format makes it smaller"
    least = min(others, key=lambda k: float(menu.damage[k]))
    return (
        f"the budget is better spent here: even {menu.formats[least]} {list(menu.ranks[least])} "
        f"would add {float(menu.damage[least]):.3g} to the predicted damage"
    )


def predict(curves: Sequence[Curve], damages: Sequence[Tensor], plan: Plan) -> Plan:
    """The plan with errors and damages of the nearest rows of its curves."""
    choices = tuple(_read(curves, damages, choice) for choice in plan.choices)
    return replace(plan, choices=choices, damage=sum(choice.damage for choice in choices))


def _read(curves: Sequence[Curve], damages: Sequence[Tensor], choice: Choice) -> Choice:
    """One choice, by the row whose ranks are nearest in the logarithm."""
    for curve, damage in zip(curves, damages):
        if (curve.site.name, curve.format) != (choice.site, choice.format):
            continue
        wanted = torch.tensor(choice.ranks, dtype=torch.float64).clamp_min(1).log()
        row = int((curve.ranks.double().clamp_min(1).log() - wanted).square().sum(1).argmin())
        error = float(curve.errors[row].clamp_min(0).sqrt())
        return replace(choice, error=error, damage=float(damage[row]))
    return choice
