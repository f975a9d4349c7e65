"""The public functions: plan, apply, compress. With choose.py and realise.py, which they are made
of, the only files that know the order of the stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.build.narrow import narrowed
from tenfold.build.rebuild import opened_by, planned
from tenfold.compounds import finish_all, open_for
from tenfold.costs import MEASURED, Target
from tenfold.curves.outcome import judge_of
from tenfold.data.batches import read_batch
from tenfold.data.given import batches_of, check_batches, check_data
from tenfold.data.reading import guarded
from tenfold.errors import bad_value
from tenfold.latency import Pair, measure_pair
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress, silent
from tenfold.network.accept import plain_inputs
from tenfold.network.guest import HALF, Guest, hosting
from tenfold.network.inputs import to_device
from tenfold.pipeline.choose import check_settings, choose, shape_of
from tenfold.pipeline.purpose import purpose_of, read_planning, training_for
from tenfold.pipeline.realise import build, check_depth, realise
from tenfold.pipeline.resume import planned_once
from tenfold.report import Result, make_report
from tenfold.search.budget import BudgetSpec
from tenfold.sense import Sensed, sense
from tenfold.sense.stage import FITTED
from tenfold.settings import PlanSettings
from tenfold.survey import check_finite, survey
from tenfold.tasks import Purpose, recall_task
from tenfold.training import TuneSettings, tune
from tenfold.training.checkpoint import holding_lock
from tenfold.training.settings import settings_for
from tenfold.values import Plan


def plan(
    model: nn.Module,
    example: Any,
    budget: BudgetSpec,
    *,
    planning: PlanSettings | Mapping[str, Any] | None = None,
    calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Plan:
    """Choose a format and ranks for every layer, without data unless asked and without training.

    Args:
        model: a trained network; it is not changed. Of ``torch.compile``, DataParallel,
            DistributedDataParallel and AveragedModel the network inside counts, and is what a
            compressed one is made of.
        example: an input the model accepts, of the size it is used with; MACs are those of one
            forward pass of it. A tuple is spread over the arguments, a mapping over keywords.
        budget: what may be kept, such as ``{"params": 0.2}`` or ``"params=54k,macs=0.5"``: at
            most 1 is a share of the original, anything else a count. All limits hold. A latency,
            ``"latency=0.5"`` or ``"latency=3ms@onnxruntime"``, is measured on that engine.
        planning, settings: how to plan; any field of ``PlanSettings`` may be given by its name,
            as ``method="uniform"``, over those of ``planning``. ``task`` may also be a function
            ``distance(output, original_output)``, a number from 0 for outputs that are alike.
        calibration: batches of real inputs, or one tensor of them, to sense with in place of made
            ones; labels are not looked at.
        progress: called as ``progress(stage, done, total)``.

    Raises:
        BudgetError: the budget is unclear, or cannot be met.
        InputError: the model does not run on the example, or nothing in it can be factored.
    """
    wanted, task = read_planning(planning, settings)
    with hosting(model, example, wanted.seed) as guest:
        return choose(guest, budget, wanted, calibration, progress, Purpose(task)).plan


def apply(
    plan: Plan,
    model: nn.Module,
    *,
    calibration: Iterable[Any] | None = None,
    example: Any = None,
    progress: Progress = silent,
) -> nn.Module:
    """Build what a plan says, on the model it was made for or on another checkpoint of it.

    The factors are fitted in the metric that the plan was made in, sensed anew on this model;
    for a plan made with ``calibration``, pass such batches again, and for one of a model with
    several inputs the ``example``.

    Returns a new module of stock layers; ``model`` is not changed. Raises PlanError when the
    plan does not fit the model, InputError when only calibration batches or an example could show
    what its layers see and there are none: such a plan is never built poorer without a word.
    """
    with hosting(model, seed=plan.settings.seed) as guest:
        model = guest.model
        check_finite(model)
        opened = open_for(guest.exact, (choice.site for choice in plan.choices))
        planned(opened, plan)
        sensed = sense_again(plan, opened, calibration, example, progress)
        judge = judge_of(opened, sensed)
        return narrowed(build(guest.exact, plan, sensed, judge, progress), model, plan)


def apply_reported(
    plan: Plan,
    model: nn.Module,
    example: Any,
    *,
    calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
) -> Result:
    """``apply``, with the recount of both networks that ``save`` writes beside the new one."""
    built = apply(plan, model, calibration=calibration, example=example, progress=progress)
    with hosting(model, example, plan.settings.seed) as guest:
        pair = measured_again(guest.model, built, guest.example, plan)
        report = make_report(guest.model, built, guest.example, plan, (), pair)
    return Result(built, plan, report, built)


def sense_again(
    plan: Plan, model: nn.Module, calibration: Iterable[Any] | None, shown: Any, progress: Progress
) -> Sensed:
    """The metric a plan was made in; calibration batches where there are some."""
    if plan.origin == "frobenius" or not needs_sensing(plan):
        return Sensed()
    if plan.origin == "calibration" and calibration is None:
        raise bad_value(
            "A plan that was made with calibration must be applied with it",
            "none",
            "pass calibration=... as when it was planned",
        )
    example = example_again(plan, model, calibration, shown)
    sites = survey(model, example, include=tuple(choice.site for choice in plan.choices))
    seed = plan.settings.seed
    return on_first_process(
        lambda: sense(
            model,
            sites,
            example,
            metric="noise" if plan.origin == "noise" else "auto",
            calibration=calibration,
            purpose=Purpose(recall_task(plan.task)),
            seed=seed,
            progress=progress,
        )
    )


def needs_sensing(plan: Plan) -> bool:
    """Whether a layer's error is weighed, or fitted to what is sensed."""
    if plan.origin in FITTED:
        return True
    return any(choice.format != "dense" and choice.metric != "plain" for choice in plan.choices)


def at_level(zeros: Tensor, level: tuple[float, float] | None) -> Tensor:
    """Numbers of this mean and deviation in place of zeros, in turn above and below."""
    if level is None:
        return zeros
    mean, spread = level
    signs = 1 - 2 * (torch.arange(zeros.numel(), device=zeros.device) % 2)
    return (mean + spread * signs).to(zeros).reshape(zeros.shape)


def example_again(
    plan: Plan, model: nn.Module, calibration: Iterable[Any] | None, shown: Any
) -> Any:
    """An input like the one that the plan was made for: the one that is shown, or that the plan
    tells, or the first calibration batch."""
    weight = next(model.parameters())
    if shown is not None:
        return to_device(plain_inputs(shown), weight.device)
    if plan.example is not None:
        dtype = getattr(torch, plan.example.dtype)
        dtype = weight.dtype if dtype in HALF else dtype
        if plan.example.ids is not None:
            return torch.tensor(plan.example.ids, dtype=dtype, device=weight.device)
        shown = torch.zeros(plan.example.shape, dtype=dtype, device=weight.device)
        return at_level(shown, plan.example.level)
    if calibration is None:
        raise bad_value(
            "A plan of a model with several inputs must be applied with an example",
            "none",
            "pass example=... as when it was planned",
        )
    return read_batch(next(guarded(calibration)), weight.device).inputs


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
    planning: PlanSettings | Mapping[str, Any] | None = None,
    calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Result:
    """Plan, build and, when there is data, fine-tune by distillation from the original.

    ``planning``, ``calibration`` and further settings by name are those of ``plan``.

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

    Raises:
        BudgetError, InputError: as ``plan``.
        TrainingError: fine-tuning cannot go on; the best checkpoint stays on disk.
    """
    wanted, task = read_planning(planning, settings)
    check_settings(wanted)
    check_depth(wanted.refine, budget)
    training = settings_for(data, tuning, wanted.seed, epochs)
    folder = Path(checkpoint) if checkpoint and data is not None else None
    with hosting(model, example, wanted.seed) as guest, holding_lock(folder):
        model, example = guest.model, guest.example
        check_data(data, guest)
        check_batches(validation)
        purpose = purpose_of(task, tuning, data)
        chosen, untuned = planned_once(
            folder,
            {"budget": budget, **asdict(wanted), "example": shape_of(example)},
            model,
            lambda: plan_and_build(guest, budget, wanted, calibration, progress, purpose),
        )
        built = untuned
        history: tuple[dict[str, Any], ...] = ()
        if data is not None:
            training = training_for(training, tuning, purpose, chosen.task)
            classifies = training.class_mode is not None
            tuned = tune(
                built,
                finish_all(opened_by(chosen, model)),
                batches_of(data, guest, classifies, training.seed, progress),
                settings=training,
                loss=loss,
                validation=validation,
                quality=quality,
                checkpoint=folder,
                progress=progress,
            )
            built, history = tuned.model, tuned.history
            chosen = replace(chosen, tuning=asdict(training))
        pair = measured_again(model, built, example, chosen)
        report = make_report(model, built, example, chosen, history, pair)
    return Result(built, chosen, report, untuned)


def plan_and_build(
    guest: Guest,
    budget: BudgetSpec,
    settings: PlanSettings,
    calibration: Iterable[Any] | None,
    progress: Progress,
    purpose: Purpose,
) -> tuple[Plan, nn.Module]:
    """The plan, and the network that it alone gives, without data."""
    chosen = choose(guest, budget, settings, calibration, progress, purpose)
    return realise(chosen, settings, progress)


def measured_again(original: nn.Module, built: nn.Module, example: Any, plan: Plan) -> Pair | None:
    """Both networks measured once more for the report, where a measured cost was limited and the
    plan was measured here."""
    for name, noted in plan.measured.items():
        if MEASURED[name].reached_key in noted:
            target = Target(name, noted["engine"], noted["threads"], noted["share"])
            return measure_pair(original, built, example, target)
    return None
