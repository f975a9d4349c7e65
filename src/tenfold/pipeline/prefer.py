"""Of the searched plan and plainer ones within the same limits, the one that shifts outputs least.

Damages are measured one layer at a time, so what they promise together is held against the truth:
every plan is built from sketches and run on inputs that made none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from tenfold.curves.damage import replaced, sketched
from tenfold.curves.kept import curves_once, name_of_curves
from tenfold.curves.outcome import Judge
from tenfold.curves.trace import Curve, Step, plain_damage
from tenfold.errors import BudgetError
from tenfold.formats import FORMATS
from tenfold.machine.progress import Progress
from tenfold.search import search
from tenfold.values import Choice, Forecast, Limit, Plan, Survey

PLAINER = ("uniform", "energy")  # searches on the same curves


@dataclass(frozen=True)
class Candidate:
    """A plan and the curves that it was chosen on, whose states hold the decompositions."""

    plan: Plan
    curves: Sequence[Curve]


@dataclass(frozen=True)
class Preferred:
    """The plan that is handed over, and what to expect of it."""

    plan: Plan
    forecast: Forecast


def prefer(
    model: nn.Module,
    searched: Candidate,
    others: Sequence[Candidate],
    judge: Judge,
    progress: Progress,
) -> Preferred:
    """The least shift on the judge's inputs; the searched plan where they are alike."""
    best, least = searched, shift_of(model, searched, judge)
    for done, other in enumerate(others):
        mine = shift_of(model, other, judge)
        if mine < least:
            best, least = other, mine
        progress("comparing plans", done + 1, len(others))
    plan = replace(searched.plan, choices=best.plan.choices, predicted=best.plan.predicted)
    plan = replace(plan, damage=best.plan.damage, bound=best.plan.bound, curves=best.plan.curves)
    with standing_in(model, best):
        return Preferred(plan, judge.forecast(model))


def shift_of(model: nn.Module, candidate: Candidate, judge: Judge) -> float:
    """How far outputs shift with the planned layers in place."""
    with standing_in(model, candidate):
        return judge.shift(model)


def standing_in(model: nn.Module, candidate: Candidate) -> AbstractContextManager[Any]:
    """Inside, the planned layers stand in place of the model's own."""
    states = {(curve.site.name, curve.format): curve for curve in candidate.curves}
    chains: dict[nn.Module, nn.Module] = {}
    for choice in candidate.plan.choices:
        if choice.format != "dense":
            chains |= sketched(model, states[choice.site, choice.format], choice.ranks)
    return replaced(chains)


def plainer_plans(
    survey: Survey,
    searched: Candidate,
    damages: Sequence[Any],
    limits: Sequence[Limit],
    sides: Mapping[str, str],
    plain: Sequence[Curve],
) -> Iterator[Candidate]:
    """One share of costs, one share of energy, and weights as they are, where there are ``plain``
    curves of them."""
    settings = searched.plan.settings
    for name in PLAINER:
        asked = replace(settings, method=name)
        plan = search(survey, searched.curves, damages, limits, settings=asked)
        yield Candidate(on_sides(plan, sides), searched.curves)
    if plain:
        errors = [plain_damage(curve) for curve in plain]
        with suppress(BudgetError):  # without some formats a limit may be out of reach
            plan = search(survey, plain, errors, limits, settings=settings)
            yield Candidate(on_sides(plan, dict.fromkeys(sides, "plain")), plain)


def in_frobenius(
    model: nn.Module,
    survey: Survey,
    curves: Sequence[Curve],
    sides: Mapping[str, str],
    formats: Sequence[str] | None,
    step: Step,
    mark: str,
) -> tuple[Curve, ...]:
    """The curves of weights as they are, of which some layers have theirs already; none where all
    have. Without formats that take many sweeps, which a plainer plan is not worth."""
    others = tuple(site for site in survey.sites if sides.get(site.name) != "plain")
    if not others:
        return ()
    asked = list(formats or FORMATS)
    quick = [name for name in asked if is_quick(name)] or asked
    rest = replace(survey, sites=others)
    name = name_of_curves(mark, rest, {}, quick, step)
    traced = curves_once(name, model, rest, {}, formats=quick, round_to=step)
    fresh = {(curve.site.name, curve.format): curve for curve in traced}
    renewed = {site.name for site in others}
    kept = {(c.site.name, c.format): c for c in curves if c.site.name not in renewed}
    both = {**fresh, **kept}
    keys = ((curve.site.name, curve.format) for curve in curves)
    return tuple(both[key] for key in keys if key in both)


def is_quick(name: str) -> bool:
    """Whether a format's curve is had from decompositions without an iteration."""
    return FORMATS[name].error_is != "estimate"


def on_sides(plan: Plan, sides: Mapping[str, str]) -> Plan:
    """The plan with the side noted on which each layer's error is weighed."""

    def noted(choice: Choice) -> Choice:
        return replace(choice, metric=sides.get(choice.site, choice.metric))

    return replace(plan, choices=tuple(map(noted, plan.choices)))
