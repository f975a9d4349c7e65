"""model, example, budget -> Chosen: survey, sense, curves, measure, search, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.bench import timed_pair
from tenfold.build.rebuild import build_structure
from tenfold.curves import measure_damages
from tenfold.curves.trace import (
    Curve,
    Step,
    cheapest_curves,
    check_names,
    plain_damage,
    trace_curves,
)
from tenfold.errors import bad_value
from tenfold.latency import fast_step, read_table, settle, start_ruler
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Clock, Progress
from tenfold.network.guest import Guest
from tenfold.runtimes.engines import check_available
from tenfold.search import METHODS, check_reachable, predict, search
from tenfold.search.budget import BudgetSpec, Target, latency_target, parse_budget, resolve_budget
from tenfold.sense import Sensed, sense
from tenfold.sense.stage import UNSTATED, check_metric
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey
from tenfold.tasks import Purpose
from tenfold.values import ExampleShape, Limit, Plan, Survey


@dataclass(frozen=True)
class Chosen:
    """A plan, and what was learned on the way that later stages go on from."""

    plan: Plan
    guest: Guest
    sensed: Sensed
    survey: Survey
    limits: tuple[Limit, ...]
    find: Callable[[Sequence[Limit]], Plan]  # the same search within other limits
    predict: Callable[[Plan], Plan]  # errors and damages of other ranks


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
    """``plan``, with what was learned on the way. The guest is hosted by the caller."""
    model, example = guest.model, guest.example
    target = latency_target(parse_budget(budget))
    check_settings(settings)
    usual: Step = fast_step if target else 1
    step = usual if settings.round_to is None else settings.round_to
    if settings.latency_table is not None and target is None:
        raise bad_value(
            "A latency table needs a latency in the budget",
            "none",
            "add one, as latency=0.5@onnxruntime, or leave the table out",
        )
    table = read_table(settings.latency_table) if settings.latency_table is not None else None
    clock = Clock()
    sites = survey(model, example, include=settings.include, exclude=settings.exclude)
    ruler = start_ruler(model, example, sites, target, table, progress) if target else None
    sites = ruler.extend(sites) if ruler else sites
    limits = resolve_budget(budget, sites.totals)
    bare: Sequence[Curve] = cheapest_curves(sites, settings.formats, step)
    check_reachable(ruler.price(bare)[0] if ruler else bare, sites, limits)
    clock.lap("survey")
    sensed = on_first_process(
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
    clock.lap("sense")
    curves = trace_curves(
        guest.exact,
        sites,
        sensed.metrics,
        formats=settings.formats,
        round_to=step,
        progress=progress,
    )
    clock.lap("curves")
    damages = damages_of(guest.exact, curves, sensed, progress)
    clock.lap("measure")
    measured = {"latency": asdict(target)} if target else {}
    shape = shape_of(example)

    def find(*problem: Any) -> Plan:
        plan = search(*problem, settings=settings, origin=sensed.origin, example=shape)
        return replace(plan, measured=measured, task=sensed.task.name if sensed.task else "")

    def within(others: Sequence[Limit]) -> Plan:
        return on_first_process(lambda: find(sites, curves, damages, others))

    def decide() -> Plan:
        if ruler is None or target is None:
            return find(sites, curves, damages, limits)
        timer = None if table else whole_clock(model, example, target, ruler.whole)
        return settle(ruler, sites, curves, damages, limits, find, timer)

    plan = on_first_process(decide)
    if ruler is not None:
        clock.lap("latency")
    plan = replace(plan, seconds={**clock.laps, **plan.seconds})
    return Chosen(plan, guest, sensed, sites, limits, within, partial(predict, curves, damages))


def whole_clock(
    model: nn.Module, example: Any, target: Target, whole: float
) -> Callable[[Plan], float]:
    """Milliseconds of the network that a plan describes, built without its factors."""
    engine = check_available(target.engine)
    original = engine.prepare(model, example, target.threads)

    def clock(plan: Plan) -> float:
        built = fill_noise(build_structure(model, plan))
        run = engine.prepare(built, example, target.threads)
        timed = timed_pair(original, run, target.engine, target.threads)
        return timed.ratio * whole if target.share else timed.after.busy

    return clock


@torch.no_grad()
def fill_noise(model: nn.Module) -> nn.Module:
    """Noise in place of all-zero weights, which a runtime may optimise away."""
    for weight in model.parameters():
        if weight.ndim > 1 and not bool(weight.any()):
            weight.normal_(0, 0.02)
    return model


def damages_of(
    model: nn.Module, curves: Sequence[Curve], sensed: Sensed, progress: Progress
) -> list[Tensor]:
    """Measured where there are inputs to measure on, else the squared error in the metric."""
    if not sensed.batches:
        return [plain_damage(curve) for curve in curves]
    return measure_damages(model, curves, sensed.batches, progress, sensed.task)


def shape_of(example: Any) -> ExampleShape | None:
    """Shape and type of a single tensor; None for anything else."""
    if not isinstance(example, Tensor):
        return None
    return ExampleShape(tuple(example.shape), str(example.dtype).removeprefix("torch."))
