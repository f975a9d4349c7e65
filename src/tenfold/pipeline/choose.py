"""model, example, budget -> Chosen: survey, sense, curves, measure, search, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.bench import timed_pair
from tenfold.build.rebuild import build_structure
from tenfold.curves import measure_damages
from tenfold.curves.trace import Curve, Step, cheapest_curves, plain_damage, trace_curves
from tenfold.deploy.prepare import prepare
from tenfold.errors import bad_value
from tenfold.latency import fast_step, read_table, settle, start_ruler
from tenfold.machine.processes import once
from tenfold.machine.progress import Clock, Progress
from tenfold.network.call import frozen_rng, keeping_buffers
from tenfold.network.half import widened, widened_inputs
from tenfold.runtimes import check_available
from tenfold.search import check_reachable, predict, search
from tenfold.search.budget import BudgetSpec, Target, latency_target, parse_budget, resolve_budget
from tenfold.sense import Sensed, sense
from tenfold.survey.stage import survey
from tenfold.values import Limit, Plan, Survey


@dataclass(frozen=True)
class Chosen:
    """A plan, and what was learned on the way that later stages go on from."""

    plan: Plan
    model: nn.Module  # widened, as is the example
    example: Any
    sensed: Sensed
    survey: Survey
    limits: tuple[Limit, ...]
    find: Callable[[Sequence[Limit]], Plan]  # the same search within other limits
    predict: Callable[[Plan], Plan]  # errors and damages of other ranks


def choose(
    model: nn.Module,
    example: Any,
    budget: BudgetSpec,
    *,
    formats: Sequence[str] | None,
    include: Sequence[str],
    exclude: Sequence[str],
    round_to: int | None,
    method: str,
    metric: str,
    calibration: Iterable[Any] | None,
    latency_table: str | Path | None,
    seed: int,
    progress: Progress,
) -> Chosen:
    """``plan``, with what was learned on the way."""
    target = latency_target(parse_budget(budget))
    usual: Step = fast_step if target else 1
    step = usual if round_to is None else round_to
    if latency_table is not None and target is None:
        raise bad_value(
            "A latency table needs a latency in the budget",
            "none",
            "add one, as latency=0.5@onnxruntime, or leave the table out",
        )
    table = read_table(latency_table) if latency_table is not None else None
    clock = Clock()
    with frozen_rng(seed), keeping_buffers(model):
        found = survey(model, example, include=tuple(include), exclude=tuple(exclude))
        ruler = start_ruler(model, example, found, target, table, progress) if target else None
        found = ruler.extend(found) if ruler else found
        limits = resolve_budget(budget, found.totals)
        bare: Sequence[Curve] = cheapest_curves(found, formats, step)
        check_reachable(ruler.price(bare)[0] if ruler else bare, found, limits)
        clock.lap("survey")
        exact, shown = widened(model), widened_inputs(example, model)
        sensed = once(
            lambda: sense(
                exact,
                found,
                shown,
                metric=metric,
                calibration=calibration,
                seed=seed,
                progress=progress,
            )
        )
        clock.lap("sense")
        curves = trace_curves(
            exact, found, sensed.metrics, formats=formats, round_to=step, progress=progress
        )
        clock.lap("curves")
        damages = damages_of(exact, curves, sensed, progress)
        clock.lap("measure")
        settings = {
            "formats": list(formats) if formats else None,
            "include": list(include),
            "exclude": list(exclude),
            "seed": seed,
            "round_to": step if isinstance(step, int) else "fast",
            "metric": sensed.origin,
            "example": shape_of(example),
            **({"latency": asdict(target)} if target else {}),
        }
        find = partial(search, method=method, seed=seed, settings=settings)

        def within(others: Sequence[Limit]) -> Plan:
            return once(lambda: find(found, curves, damages, others))

        def decide() -> Plan:
            if ruler is None or target is None:
                return find(found, curves, damages, limits)
            timer = None if table else whole_clock(model, example, target, ruler.whole)
            return settle(ruler, found, curves, damages, limits, find, timer)

        chosen = once(decide)
        if ruler is not None:
            clock.lap("latency")
    chosen = replace(chosen, seconds={**clock.laps, **chosen.seconds})
    again = partial(predict, curves, damages)
    return Chosen(chosen, exact, shown, sensed, found, limits, within, again)


def whole_clock(
    model: nn.Module, example: Any, target: Target, whole: float
) -> Callable[[Plan], float]:
    """Milliseconds of the network that a plan describes, built without its factors."""
    engine = check_available(target.engine)
    original = prepare(engine, model, example, target.threads)

    def clock(plan: Plan) -> float:
        built = fill_noise(build_structure(model, plan))
        run = prepare(engine, built, example, target.threads)
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
    return measure_damages(model, curves, sensed.batches[0], progress)


def shape_of(example: Any) -> dict[str, Any] | None:
    """Shape and type of a single tensor, from which its like can be made again."""
    if not isinstance(example, Tensor):
        return None
    return {"shape": list(example.shape), "dtype": str(example.dtype).removeprefix("torch.")}
