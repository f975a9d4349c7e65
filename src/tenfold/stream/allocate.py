"""Survey, singular values, limits -> Plan: curves of exact errors, and the search of tenfold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenfold.curves import Curve, cheapest_curves, plain_damage
from tenfold.errors import BudgetError
from tenfold.formats import tail
from tenfold.search import search
from tenfold.search.budget import BudgetSpec, parse_budget, resolve_budget
from tenfold.search.problem import check_reachable
from tenfold.settings import PlanSettings
from tenfold.stream.survey_checkpoint import COSTS, WEIGHT
from tenfold.values import Limit, Plan, Survey

FORMAT = "svd"


def price(survey: Survey, settings: PlanSettings) -> tuple[Curve, ...]:
    """What every rank of every layer costs, which is known before any number is read."""
    bare = cheapest_curves(survey, [FORMAT], settings.round_to or 1)
    return tuple(
        replace(curve, costs={cost: curve.costs[cost] for cost in COSTS}) for curve in bare
    )


def limits_of(
    budget: BudgetSpec, survey: Survey, curves: Sequence[Curve], settings: PlanSettings
) -> tuple[Limit, ...]:
    """The budget in absolute terms. Raises BudgetError when it is unclear, limits what only a
    network has, or cannot be met."""
    for cost in parse_budget(budget):
        if cost not in COSTS:
            raise BudgetError(
                f"A checkpoint must be limited in {' or '.join(COSTS)}, but found {cost!r}; "
                "compress the network itself to limit others."
            )
    limits = resolve_budget(budget, survey.totals)
    check_reachable(curves, survey, limits, replace(settings, formats=None))  # there is one
    return limits


def allocate(
    survey: Survey,
    curves: Sequence[Curve],
    spectra: Mapping[str, Tensor],
    limits: Sequence[Limit],
    settings: PlanSettings,
    weighed: bool,
) -> Plan:
    """Ranks of all layers together, strictly within the limits, with the certificate."""
    traced = [with_errors(curve, spectra[curve.site.name + WEIGHT]) for curve in curves]
    damages = [plain_damage(curve) for curve in traced]
    origin, metric = ("calibration", "inputs") if weighed else ("frobenius", "plain")
    plan = search(survey, traced, damages, limits, settings=settings, origin=origin)
    choices = tuple(replace(choice, metric=metric) for choice in plan.choices)
    return replace(plan, choices=choices, seconds={})  # the same run makes the same file


def with_errors(curve: Curve, energies: Tensor) -> Curve:
    """The curve with the energy beyond each of its ranks, exact (Eckart and Young 1936)."""
    lost = tail(energies)[curve.ranks[:, 0]] if curve.format == FORMAT else torch.zeros(1)
    return replace(curve, errors=lost.double(), energy=float(energies.sum()))
