"""model, example, budget -> Chosen: survey, sense, curves, measure, search, in this request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from tenfold.costs import Target
from tenfold.curves.outcome import Judge, judge_of
from tenfold.curves.trace import Curve, Step, cheapest_curves, check_names
from tenfold.data.batches import check_batched
from tenfold.latency import Ruler, Table, settle, start_gauge, start_ruler, table_for
from tenfold.latency.settle import Find
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Clock, Progress
from tenfold.network.guest import Guest
from tenfold.pipeline.enough import with_way_out
from tenfold.pipeline.learn import Learned, learn
from tenfold.pipeline.prefer import Candidate, on_sides, plainer_plans, prefer
from tenfold.search import METHODS, check_reachable, predict, search
from tenfold.search.budget import (
    BudgetSpec,
    measured_target,
    parse_budget,
    resolve_budget,
    usual_step,
)
from tenfold.sense import Sensed
from tenfold.sense.noise import level_of
from tenfold.sense.stage import UNSTATED, check_metric
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey
from tenfold.tasks import Purpose
from tenfold.values import ExampleShape, Forecast, Limit, Plan, Survey

LARGEST = 4096  # tokens of an example that a plan writes down


@dataclass(frozen=True)
class Request:
    """What a budget and settings ask for, read before anything takes time: what a measured limit
    holds for, the table that it is read from, and what ranks are multiples of."""

    target: Target | None
    table: Table | None
    step: Step


@dataclass(frozen=True)
class Priced:
    """The survey with every cost, and the ruler of a measured one."""

    survey: Survey
    ruler: Ruler | None


@dataclass(frozen=True)
class Surveyed:
    """The survey, the limits in absolute terms, and the ruler of a measured one."""

    survey: Survey
    limits: tuple[Limit, ...]
    ruler: Ruler | None


@dataclass(frozen=True)
class Chosen:
    """A plan, and what was learned on the way that later stages go on from."""

    plan: Plan
    guest: Guest
    sensed: Sensed
    judge: Judge | None  # None where no inputs are held apart
    survey: Survey
    limits: tuple[Limit, ...]
    find: Callable[[Sequence[Limit]], Plan]  # the same search within other limits
    predict: Callable[[Plan], Plan]  # errors and damages of other ranks
    with_way_out: Callable[[Forecast, Plan], Forecast]  # where a network will hardly work


def check_settings(settings: PlanSettings) -> None:
    """Raises InputError for a name that no registry holds, before anything takes time."""
    METHODS[settings.method]
    check_names(settings.formats)
    check_metric(settings.metric)


def choose(
    guest: Guest,
    budget: BudgetSpec,
    settings: PlanSettings,
    calibration: Iterable[Any] | None,
    progress: Progress,
    purpose: Purpose = UNSTATED,
) -> Chosen:
    """``plan``, with what was learned on the way. The guest is hosted by the caller. What is
    measured of the network as a whole is measured as it came, all else with compounds opened."""
    request = read_request(budget, settings)
    check_batched(calibration)
    clock = Clock()
    surveyed = limited(price(guest, request, settings, progress), budget, request, settings)
    learned = learn(
        guest,
        surveyed.survey,
        settings,
        request.step,
        calibration,
        purpose,
        has_rivals(request, settings),
        clock,
        progress,
    )
    return settle_on(guest, request, surveyed, learned, settings, clock, progress)


def settle_on(
    guest: Guest,
    request: Request,
    surveyed: Surveyed,
    learned: Learned,
    settings: PlanSettings,
    clock: Clock,
    progress: Progress,
) -> Chosen:
    """The plan of one budget on what was learned of the network."""
    sensed, curves, damages = learned.sensed, learned.curves, learned.damages
    model = learned.opened.exact
    find = finder(guest, request, settings, sensed, learned.sides)

    def search_within(limits: Sequence[Limit]) -> Plan:
        return find(surveyed.survey, curves, damages, limits)

    def within(limits: Sequence[Limit]) -> Plan:
        return on_first_process(lambda: search_within(limits))

    plan = on_first_process(lambda: decide(guest, request, surveyed, curves, damages, find))
    if request.target is not None:
        clock.lap(request.target.cost)
    searched = Candidate(plan, curves)
    judge = judge_of(model, sensed)

    def way_out(forecast: Forecast, plan: Plan) -> Forecast:
        return with_way_out(model, forecast, plan, curves, search_within, judge)

    if judge is not None:
        others = rivals(request, surveyed, searched, learned)
        nearest = partial(preferred, model, searched, others, judge, sensed, way_out)
        plan = on_first_process(lambda: nearest(progress))
    clock.lap("compare")
    plan = replace(plan, seconds={**clock.laps, **plan.seconds})
    again = partial(predict, curves, damages)
    return Chosen(
        plan, guest, sensed, judge, surveyed.survey, surveyed.limits, within, again, way_out
    )


def read_request(budget: BudgetSpec, settings: PlanSettings) -> Request:
    """Raises BudgetError or InputError for what cannot be."""
    amounts = parse_budget(budget)
    target = measured_target(amounts)
    check_settings(settings)
    table = table_for(settings.latency_table, target)
    usual: Step = partial(usual_step, tuple(amounts))
    return Request(target, table, usual if settings.round_to is None else settings.round_to)


def price(guest: Guest, request: Request, settings: PlanSettings, progress: Progress) -> Priced:
    """The survey, with the cost that is measured if one is limited."""
    model, example = guest.model, guest.example
    sites = survey(model, example, include=settings.include, exclude=settings.exclude)
    if request.target is None:
        return Priced(sites, None)
    ruler = start_ruler(model, example, sites, request.target, request.table, progress)
    return Priced(ruler.extend(sites), ruler)


def limited(
    priced: Priced, budget: BudgetSpec, request: Request, settings: PlanSettings
) -> Surveyed:
    """With the limits of a budget. Raises BudgetError where no ranks reach one."""
    sites, ruler = priced.survey, priced.ruler
    limits = resolve_budget(budget, sites.totals)
    curves: Sequence[Curve] = cheapest_curves(sites, settings.formats, request.step)
    check_reachable(ruler.price(curves)[0] if ruler else curves, sites, limits, settings)
    return Surveyed(sites, limits, ruler)


def has_rivals(request: Request, settings: PlanSettings) -> bool:
    """Whether plainer plans are looked at: not where a method was asked for by name, nor where a
    clock settles the plan."""
    return settings.method == PlanSettings().method and request.target is None


def rivals(
    request: Request, surveyed: Surveyed, searched: Candidate, learned: Learned
) -> list[Candidate]:
    """The plainer plans, if any are looked at."""
    if not has_rivals(request, searched.plan.settings):
        return []
    survey, limits = surveyed.survey, surveyed.limits
    sides, plain = learned.sides, learned.plain
    return list(plainer_plans(survey, searched, learned.damages, limits, sides, plain))


def preferred(
    model: nn.Module,
    searched: Candidate,
    others: Sequence[Candidate],
    judge: Judge,
    sensed: Sensed,
    way_out: Callable[[Forecast, Plan], Forecast],
    progress: Progress,
) -> Plan:
    """The searched plan, or a plainer one that shifts outputs less, with its forecast."""
    best = prefer(model, searched, others, judge, progress)
    forecast = replace(best.forecast, fitted=not sensed.typical)  # it is when it is built
    return replace(best.plan, forecast=way_out(forecast, best.plan))


def finder(
    guest: Guest,
    request: Request,
    settings: PlanSettings,
    sensed: Sensed,
    sides: Mapping[str, str],
) -> Find:
    """The search with these settings, and what a plan notes beside its choices."""
    shape = shape_of(guest.example)
    measured = {request.target.cost: request.target.noted()} if request.target else {}

    def find(*problem: Any) -> Plan:
        plan = search(*problem, settings=settings, origin=sensed.origin, example=shape)
        plan = on_sides(plan, sides)
        return replace(plan, measured=measured, task=sensed.task.name if sensed.task else "")

    return find


def decide(
    guest: Guest,
    request: Request,
    surveyed: Surveyed,
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    find: Find,
) -> Plan:
    """One search where all limits are on counts; else searches until the measured one is met, on
    the whole network too unless its table is of another device."""
    ruler, target = surveyed.ruler, request.target
    if ruler is None or target is None:
        return find(surveyed.survey, curves, damages, surveyed.limits)
    here = request.table is None
    gauge = start_gauge(guest.model, guest.example, target, ruler.whole) if here else None
    return settle(ruler, surveyed.survey, curves, damages, surveyed.limits, find, gauge)


def shape_of(example: Any) -> ExampleShape | None:
    """Shape and type of a single tensor, with the ids of a few tokens; None for anything else."""
    if not isinstance(example, Tensor):
        return None
    whole = not (example.is_floating_point() or example.is_complex())
    small = whole and example.ndim == 2 and example.numel() <= LARGEST
    ids = tuple(tuple(row) for row in example.tolist()) if small else None
    dtype = str(example.dtype).removeprefix("torch.")
    return ExampleShape(tuple(example.shape), dtype, ids, level_of(example))
