"""model, example, budget -> Chosen: survey, sense, curves, measure, search, in this request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from tenfold.compounds import open_for
from tenfold.costs import Target
from tenfold.curves import measure_damages
from tenfold.curves.afford import Measuring, afford
from tenfold.curves.outcome import Judge, judge_of
from tenfold.curves.trace import (
    Curve,
    Step,
    cheapest_curves,
    check_names,
    plain_damage,
    trace_curves,
)
from tenfold.curves.weigh import choose_sides
from tenfold.data.batches import check_batched
from tenfold.latency import Ruler, Table, settle, start_gauge, start_ruler, table_for
from tenfold.latency.settle import Find
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Clock, Progress
from tenfold.network.guest import Guest
from tenfold.pipeline.enough import with_way_out
from tenfold.pipeline.prefer import Candidate, on_sides, plainer_plans, prefer
from tenfold.search import METHODS, check_reachable, predict, search
from tenfold.search.budget import (
    BudgetSpec,
    measured_target,
    parse_budget,
    resolve_budget,
    usual_step,
)
from tenfold.sense import Sensed, sense
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
    surveyed = survey_priced(guest, budget, request, settings, progress)
    sites = surveyed.survey.sites
    opened = Guest(open_for(guest.model, (site.name for site in sites)), guest.example)
    clock.lap("survey")
    sensed = sense_once(opened, surveyed.survey, settings, calibration, purpose, progress)
    clock.lap("sense")
    measuring = afford(opened.exact, opened.example, surveyed.survey, sensed)
    sides = sides_of(opened.exact, surveyed.survey, sensed, measuring, progress)
    clock.lap("weigh")
    curves = trace_curves(
        opened.exact,
        surveyed.survey,
        {name: sensed.metrics[name].on(side) for name, side in sides.items()},
        formats=settings.formats,
        round_to=request.step,
        progress=progress,
    )
    clock.lap("curves")
    damages = damages_of(opened.exact, curves, sensed, measuring, progress)
    clock.lap("measure")
    find = finder(guest, request, settings, sensed, sides)

    def search_within(limits: Sequence[Limit]) -> Plan:
        return find(surveyed.survey, curves, damages, limits)

    def within(limits: Sequence[Limit]) -> Plan:
        return on_first_process(lambda: search_within(limits))

    plan = on_first_process(lambda: decide(guest, request, surveyed, curves, damages, find))
    if request.target is not None:
        clock.lap(request.target.cost)
    searched = Candidate(plan, curves)
    judge = judge_of(opened.exact, sensed)

    def way_out(forecast: Forecast, plan: Plan) -> Forecast:
        return with_way_out(opened.exact, forecast, plan, curves, search_within, judge)

    if judge is not None:
        others = rivals(opened.exact, request, surveyed, searched, damages, sides)
        nearest = partial(preferred, opened.exact, searched, others, judge, sensed, way_out)
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


def survey_priced(
    guest: Guest,
    budget: BudgetSpec,
    request: Request,
    settings: PlanSettings,
    progress: Progress,
) -> Surveyed:
    """The survey with every limited cost. Raises BudgetError where no ranks reach a limit."""
    model, example = guest.model, guest.example
    sites = survey(model, example, include=settings.include, exclude=settings.exclude)
    ruler = None
    if request.target is not None:
        ruler = start_ruler(model, example, sites, request.target, request.table, progress)
        sites = ruler.extend(sites)
    limits = resolve_budget(budget, sites.totals)
    curves: Sequence[Curve] = cheapest_curves(sites, settings.formats, request.step)
    check_reachable(ruler.price(curves)[0] if ruler else curves, sites, limits, settings)
    return Surveyed(sites, limits, ruler)


def sense_once(
    guest: Guest,
    sites: Survey,
    settings: PlanSettings,
    calibration: Iterable[Any] | None,
    purpose: Purpose,
    progress: Progress,
) -> Sensed:
    """What the layers see, sensed by one process for all."""
    return on_first_process(
        lambda: sense(
            guest.exact,
            sites,
            guest.exact_example,
            metric=settings.metric,
            calibration=calibration,
            purpose=purpose,
            seed=settings.seed,
            progress=progress,
        )
    )


def sides_of(
    model: nn.Module, sites: Survey, sensed: Sensed, measuring: Measuring, progress: Progress
) -> dict[str, str]:
    """On which side of its metric each layer's error is weighed; none where nothing was sensed."""
    if not measuring.batches:
        return {}
    return choose_sides(model, sites, sensed.metrics, measuring.batches, sensed.task, progress)


def rivals(
    model: nn.Module,
    request: Request,
    surveyed: Surveyed,
    searched: Candidate,
    damages: Sequence[Tensor],
    sides: Mapping[str, str],
) -> list[Candidate]:
    """Plainer plans, which all processes trace together. A method that was asked for by name has
    none, nor has a plan that a clock has settled."""
    if searched.plan.method != PlanSettings().method or request.target is not None:
        return []
    survey, limits = surveyed.survey, surveyed.limits
    return list(plainer_plans(model, survey, searched, damages, limits, sides, request.step))


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


def damages_of(
    model: nn.Module,
    curves: Sequence[Curve],
    sensed: Sensed,
    measuring: Measuring,
    progress: Progress,
) -> list[Tensor]:
    """Measured where there are inputs to measure on, else the squared error in the metric."""
    if not measuring.batches:
        return [plain_damage(curve) for curve in curves]
    few, rows = measuring.batches, measuring.rows
    return measure_damages(model, curves, few, progress, sensed.task, rows, sensed.lessons)


def shape_of(example: Any) -> ExampleShape | None:
    """Shape and type of a single tensor, with the ids of a few tokens; None for anything else."""
    if not isinstance(example, Tensor):
        return None
    whole = not (example.is_floating_point() or example.is_complex())
    small = whole and example.ndim == 2 and example.numel() <= LARGEST
    ids = tuple(tuple(row) for row in example.tolist()) if small else None
    return ExampleShape(tuple(example.shape), str(example.dtype).removeprefix("torch."), ids)
