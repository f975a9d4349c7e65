"""The order of the stages: survey, sense, search, rebuild, tune, report. No other file knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.budget import BudgetSpec, parse_budget, resolve_budget
from tenfold.curves import Curve, cheapest_curves, plain_damage, trace_curves
from tenfold.forward import frozen_rng
from tenfold.progress import Clock, Progress, silent
from tenfold.rebuild import planned, rebuild
from tenfold.report import Report, make_report
from tenfold.search import check_reachable, search
from tenfold.sense import Sensed, measure_damages, sense
from tenfold.survey import survey
from tenfold.tune import TuneSettings, tune
from tenfold.values import Plan


@dataclass(frozen=True)
class Result:
    """What ``compress`` hands back: the new module, the plan it follows, the recount of both."""

    model: nn.Module
    plan: Plan
    report: Report


def plan(
    model: nn.Module,
    example: Any,
    budget: BudgetSpec,
    *,
    formats: Sequence[str] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    round_to: int = 1,
    method: str = "continuous",
    metric: str = "auto",
    calibration: Iterable[Any] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """Choose a format and ranks for every layer, without data unless asked and without training.

    Args:
        model: a trained network; it is not changed.
        example: an input the model accepts, of the size it is used with; MACs are those of one
            forward pass of it. A tuple is spread over the arguments, a mapping over keywords.
        budget: what may be kept, such as ``{"params": 0.2}`` or ``"params=54k,macs=0.5"``: at
            most 1 is a share of the original, anything else a count. All limits hold.
        formats: names of allowed formats; all by default.
        include, exclude: shell patterns on qualified layer names.
        round_to: ranks are multiples of this; 8 or 16 suit most kernels.
        method: the search; ``"continuous"`` by default.
        metric: how errors are weighed: ``"synthetic"`` senses the network on inputs made from its
            BatchNorm statistics, ``"noise"`` measures damages on smooth noise, ``"frobenius"``
            takes weights as they are, ``"auto"`` is the first where it can be, the second for
            other networks on images, else the third.
        calibration: batches of real inputs to sense with instead; labels are not looked at.
        seed: of everything random; the caller's random state is not touched.
        progress: called as ``progress(stage, done, total)``.

    Raises:
        BudgetError: the budget is unclear, or cannot be met.
        InputError: the model does not run on the example, or nothing in it can be factored.
    """
    return choose(
        model, example, budget, formats=formats, include=include, exclude=exclude,
        round_to=round_to, method=method, metric=metric, calibration=calibration, seed=seed,
        progress=progress,
    )[0]  # fmt: skip


def choose(
    model: nn.Module, example: Any, budget: BudgetSpec, *, formats: Sequence[str] | None,
    include: Sequence[str], exclude: Sequence[str], round_to: int, method: str, metric: str,
    calibration: Iterable[Any] | None, seed: int, progress: Progress,
) -> tuple[Plan, Sensed]:  # fmt: skip
    """``plan``, with what was sensed on the way."""
    parse_budget(budget)
    clock = Clock()
    with frozen_rng(seed):
        found = survey(model, example, include=tuple(include), exclude=tuple(exclude))
        limits = resolve_budget(budget, found.totals)
        check_reachable(cheapest_curves(found, formats, round_to), found, limits)
        clock.lap("survey")
        sensed = sense(
            model, found, example, metric=metric, calibration=calibration, seed=seed,
            progress=progress,
        )  # fmt: skip
        clock.lap("sense")
        curves = trace_curves(
            model, found, sensed.metrics, formats=formats, round_to=round_to, progress=progress
        )
        clock.lap("curves")
        damages = damages_of(model, curves, sensed, progress)
        clock.lap("measure")
        settings = {
            "formats": list(formats) if formats else None, "include": list(include),
            "exclude": list(exclude), "round_to": round_to, "seed": seed,
            "metric": sensed.origin, "example": shape_of(example),
        }  # fmt: skip
        chosen = search(found, curves, damages, limits, method=method, seed=seed, settings=settings)
    return replace(chosen, seconds={**clock.laps, **chosen.seconds}), sensed


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


def apply(
    plan: Plan, model: nn.Module, *, calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
) -> nn.Module:  # fmt: skip
    """Build what a plan says, on the model it was made for or on another checkpoint of it.

    The factors are fitted in the metric that the plan was made in, sensed anew on this model;
    for a plan made with ``calibration``, pass such batches again.

    Returns a new module of stock layers; ``model`` is not changed. Raises PlanError when the
    plan does not fit the model.
    """
    seed = int(plan.settings.get("seed", 0))
    with frozen_rng(seed):
        planned(model, plan)
        sensed = sense_again(plan, model, calibration, seed, progress)
        return rebuild(model, plan, sensed.metrics, progress)


def sense_again(
    plan: Plan, model: nn.Module, calibration: Iterable[Any] | None, seed: int, progress: Progress
) -> Sensed:
    """The metric a plan was made in; plain Frobenius where its inputs cannot be had again."""
    shown = plan.settings.get("example")
    if shown is None or plan.settings.get("metric", "frobenius") in ("frobenius", "noise"):
        return Sensed()
    example = torch.zeros(shown["shape"], dtype=getattr(torch, shown["dtype"]))
    sites = tuple(c.site for c in plan.choices)
    found = survey(model, example.to(next(model.parameters()).device), include=sites)
    return sense(
        model, found, example, calibration=calibration, seed=seed, progress=progress
    )  # fmt: skip


def compress(
    model: nn.Module,
    example: Any,
    budget: BudgetSpec,
    *,
    data: Iterable[Any] | None = None,
    epochs: int | None = None,
    tuning: TuneSettings | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    validation: Iterable[Any] | None = None,
    checkpoint: str | Path | None = None,
    formats: Sequence[str] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    round_to: int = 1,
    method: str = "continuous",
    metric: str = "auto",
    calibration: Iterable[Any] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Result:
    """Plan, build and, when there is data, fine-tune by distillation from the original.

    The search arguments are those of ``plan``.

    Args:
        data: batches ``(inputs, labels)`` or inputs alone, iterable once an epoch. None leaves
            the factors as the decomposition gave them.
        epochs, tuning: how to fine-tune; ``epochs`` overrides ``tuning.epochs``.
        loss: ``loss(output, batch)``; cross-entropy where batches have labels.
        validation: batches on which the best epoch is chosen.
        checkpoint: a directory to resume the fine-tuning from, and to write its state to.

    Raises:
        BudgetError, InputError: as ``plan``.
        TrainingError: fine-tuning cannot go on; the best checkpoint stays on disk.
    """
    chosen, sensed = choose(
        model, example, budget, formats=formats, include=include, exclude=exclude,
        round_to=round_to, method=method, metric=metric, calibration=calibration, seed=seed,
        progress=progress,
    )  # fmt: skip
    with frozen_rng(seed):
        built = rebuild(model, chosen, sensed.metrics, progress)
    history: tuple[dict[str, Any], ...] = ()
    if data is not None:
        settings = tuning or TuneSettings(seed=seed)
        settings = settings if epochs is None else replace(settings, epochs=epochs)
        tuned = tune(
            built, model, data, settings=settings, loss=loss, validation=validation,
            checkpoint=Path(checkpoint) if checkpoint else None, progress=progress,
        )  # fmt: skip
        built, history = tuned.model, tuple(tuned.history)
        chosen = replace(chosen, settings={**chosen.settings, "tuning": asdict(settings)})
    return Result(built, chosen, make_report(model, built, example, chosen, history))
