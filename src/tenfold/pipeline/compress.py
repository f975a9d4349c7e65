"""The public functions: plan, apply, compress. With choose.py and realise.py, which they are made
of, the only files that know the order of the stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.bench import Timed, time_pair
from tenfold.build.narrow import narrowed
from tenfold.build.rebuild import planned
from tenfold.data.batches import read_batch
from tenfold.data.given import batches_of, check_batches, check_data
from tenfold.data.reading import guarded
from tenfold.errors import bad_value
from tenfold.machine.processes import once
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import frozen_rng, keeping_buffers, recording
from tenfold.network.half import HALF, widened
from tenfold.pipeline.choose import choose, shape_of
from tenfold.pipeline.realise import build, check_depth, refine_together
from tenfold.pipeline.resume import planned_once
from tenfold.report import Result, make_report
from tenfold.search.budget import BudgetSpec
from tenfold.sense import Sensed, sense
from tenfold.survey import check_finite, survey
from tenfold.training import TuneSettings, tune
from tenfold.training.alone import alone_in
from tenfold.training.choose_settings import settings_for
from tenfold.values import Plan


@recording
def plan(
    model: nn.Module,
    example: Any,
    budget: BudgetSpec,
    *,
    formats: Sequence[str] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    round_to: int | None = None,
    method: str = "continuous",
    metric: str = "auto",
    calibration: Iterable[Any] | None = None,
    latency_table: str | Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """Choose a format and ranks for every layer, without data unless asked and without training.

    Args:
        model: a trained network; it is not changed.
        example: an input the model accepts, of the size it is used with; MACs are those of one
            forward pass of it. A tuple is spread over the arguments, a mapping over keywords.
        budget: what may be kept, such as ``{"params": 0.2}`` or ``"params=54k,macs=0.5"``: at
            most 1 is a share of the original, anything else a count. All limits hold. A latency,
            ``"latency=0.5"`` or ``"latency=3ms@onnxruntime"``, is measured on that engine.
        formats: names of allowed formats; all by default.
        include, exclude: shell patterns on qualified layer names.
        round_to: ranks are multiples of this; 1 by default; 8, and 16 in layers of 64
            channels and more, when a latency is limited.
        method: the search; ``"continuous"`` by default.
        metric: how errors are weighed: ``"synthetic"`` senses the network on inputs made from its
            BatchNorm statistics, ``"noise"`` measures damages on smooth noise, ``"frobenius"``
            takes weights as they are, ``"auto"`` is the first where it can be, the second for
            other networks on images, else the third.
        calibration: batches of real inputs, or one tensor of them, to sense with instead; labels
            are not looked at.
        latency_table: a JSON file measured on another device, which a latency then holds for.
        seed: of everything random; the caller's random state is not touched.
        progress: called as ``progress(stage, done, total)``.

    Raises:
        BudgetError: the budget is unclear, or cannot be met.
        InputError: the model does not run on the example, or nothing in it can be factored.
    """
    return choose(
        model,
        example,
        budget,
        formats=formats,
        include=include,
        exclude=exclude,
        round_to=round_to,
        method=method,
        metric=metric,
        calibration=calibration,
        latency_table=latency_table,
        seed=seed,
        progress=progress,
    ).plan


@recording
def apply(
    plan: Plan,
    model: nn.Module,
    *,
    calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
) -> nn.Module:
    """Build what a plan says, on the model it was made for or on another checkpoint of it.

    The factors are fitted in the metric that the plan was made in, sensed anew on this model;
    for a plan made with ``calibration``, pass such batches again.

    Returns a new module of stock layers; ``model`` is not changed. Raises PlanError when the
    plan does not fit the model, InputError when only calibration batches could show what its
    layers see and there are none.
    """
    seed = int(plan.settings.get("seed", 0))
    check_finite(model)
    with frozen_rng(seed), keeping_buffers(model):
        planned(model, plan)
        exact = widened(model)
        sensed = sense_again(plan, exact, calibration, seed, progress)
        return narrowed(build(exact, plan, sensed, progress), model, plan)


def sense_again(
    plan: Plan, model: nn.Module, calibration: Iterable[Any] | None, seed: int, progress: Progress
) -> Sensed:
    """The metric a plan was made in; calibration batches where there are some."""
    metric = plan.settings.get("metric", "frobenius")
    if metric in ("frobenius", "noise"):
        return Sensed()
    example = example_again(plan, model, calibration)
    found = survey(model, example, include=tuple(c.site for c in plan.choices))
    return once(
        lambda: sense(model, found, example, calibration=calibration, seed=seed, progress=progress)
    )


def example_again(plan: Plan, model: nn.Module, calibration: Iterable[Any] | None) -> Any:
    """An input like the one that the plan was made for: zeros, or the first calibration batch."""
    shown, weight = plan.settings.get("example"), next(model.parameters())
    if shown is not None:
        dtype = getattr(torch, shown["dtype"])
        dtype = weight.dtype if dtype in HALF else dtype
        return torch.zeros(shown["shape"], dtype=dtype, device=weight.device)
    if calibration is None:
        raise bad_value(
            "A plan of a model with several inputs, made with calibration, must be applied with it",
            "none",
            "pass calibration=... as when it was planned",
        )
    return read_batch(next(guarded(calibration)), weight.device).inputs


@recording
def compress(
    model: nn.Module,
    example: Any,
    budget: BudgetSpec,
    *,
    data: Iterable[Any] | str | None = None,
    epochs: int | None = None,
    tuning: TuneSettings | Mapping[str, Any] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    validation: Iterable[Any] | None = None,
    quality: Callable[[Any, Any], Tensor | float] | None = None,
    checkpoint: str | Path | None = None,
    formats: Sequence[str] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    round_to: int | None = None,
    method: str = "continuous",
    metric: str = "auto",
    calibration: Iterable[Any] | None = None,
    latency_table: str | Path | None = None,
    refine: str = "layers",
    seed: int = 0,
    progress: Progress = silent,
) -> Result:
    """Plan, build and, when there is data, fine-tune by distillation from the original.

    The search arguments are those of ``plan``.

    Args:
        data: batches ``(inputs, labels)``, inputs alone or mappings, iterable once an epoch; or
            few inputs (100 are enough) in one tensor, or ``"synthetic"`` for inputs made from
            the original alone, 1,024 or as many as ``"synthetic:4096"`` says: from those only the
            original teaches, gently. None leaves the factors as the decomposition gave them.
        epochs, tuning: how to fine-tune; ``epochs`` overrides ``tuning.epochs``. A mapping, as
            ``{"temperature": 4}``, changes the usual settings, which are gentle for few inputs;
            TuneSettings are taken as they are.
        loss: ``loss(output, batch)``; cross-entropy where batches have labels.
        validation: batches on which the best epoch is chosen.
        quality: ``quality(output, batch)``, higher is better, to choose it by.
        checkpoint: a directory to resume the fine-tuning from, and to write its state to, the plan
            and the factors before it included, so that nothing is planned twice.
        refine: without data still, ``"layers"`` fits each layer to the original's outputs on the
            sensed inputs; ``"end-to-end"`` also trains ranks and factors of all layers, and
            whatever else is not frozen, together on more of them. Both leave things as they are
            where there are no such inputs.

    Raises:
        BudgetError, InputError: as ``plan``.
        TrainingError: fine-tuning cannot go on; the best checkpoint stays on disk.
    """
    check_depth(refine, budget)
    settings = settings_for(data, tuning, seed, epochs)
    check_data(data, model, example)
    check_batches(validation)
    asked: dict[str, Any] = {
        "budget": budget,
        "formats": formats,
        "include": include,
        "exclude": exclude,
        "round_to": round_to,
        "method": method,
        "metric": metric,
        "latency_table": latency_table,
        "seed": seed,
    }
    folder = Path(checkpoint) if checkpoint and data is not None else None
    told = {**asked, "refine": refine, "example": shape_of(example)}
    history: tuple[dict[str, Any], ...] = ()
    with alone_in(folder):
        chosen, untuned = planned_once(
            folder,
            told,
            model,
            lambda: plan_and_build(model, example, refine, progress, calibration, **asked),
        )
        built = untuned
        if data is not None:
            batches = batches_of(
                data, model, example, settings.class_mode is not None, settings.seed, progress
            )
            tuned = tune(
                built,
                model,
                batches,
                settings=settings,
                loss=loss,
                validation=validation,
                quality=quality,
                checkpoint=folder,
                progress=progress,
            )
            built, history = tuned.model, tuple(tuned.history)
            chosen = replace(chosen, settings={**chosen.settings, "tuning": asdict(settings)})
    timed = timed_again(model, built, example, chosen)
    report = make_report(model, built, example, chosen, history, timed)
    return Result(built, chosen, report, untuned)


def plan_and_build(
    model: nn.Module,
    example: Any,
    refine: str,
    progress: Progress,
    calibration: Iterable[Any] | None,
    **asked: Any,
) -> tuple[Plan, nn.Module]:
    """The plan, and the network that it alone gives, without data."""
    found = choose(model, example, calibration=calibration, progress=progress, **asked)
    seed = asked["seed"]
    with frozen_rng(seed), keeping_buffers(model):
        if refine == "end-to-end":
            plan, built = refine_together(found, seed, progress)
        else:
            plan, built = found.plan, build(found.model, found.plan, found.sensed, progress)
    return plan, narrowed(built, model, plan)


def timed_again(original: nn.Module, built: nn.Module, example: Any, plan: Plan) -> Timed | None:
    """Both networks timed once more for the report, where a latency was asked for and the
    engine is here."""
    asked = plan.settings.get("latency")
    if not asked or "reached_ms" not in asked:
        return None
    return time_pair(original, built, example, asked["engine"], asked["threads"])
