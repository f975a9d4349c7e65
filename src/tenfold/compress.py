"""The order of the stages: survey, sense, search, rebuild, tune, report. No other file knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tenfold.budget import BudgetSpec, parse_budget, resolve_budget
from tenfold.curves import plain_damage, trace_curves
from tenfold.forward import frozen_rng
from tenfold.progress import Progress, silent
from tenfold.rebuild import rebuild
from tenfold.report import Report, make_report
from tenfold.search import search
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
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """Choose a format and ranks for every layer, without data and without training.

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
        seed: of everything random; the caller's random state is not touched.
        progress: called as ``progress(stage, done, total)``.

    Raises:
        BudgetError: the budget is unclear, or cannot be met.
        InputError: the model does not run on the example, or nothing in it can be factored.
    """
    parse_budget(budget)
    began = time.perf_counter()
    with frozen_rng(seed):
        found = survey(model, example, include=tuple(include), exclude=tuple(exclude))
        limits = resolve_budget(budget, found.totals)
        curves = trace_curves(model, found, formats=formats, round_to=round_to, progress=progress)
        traced = time.perf_counter() - began
        settings = {
            "formats": list(formats) if formats else None, "include": list(include),
            "exclude": list(exclude), "round_to": round_to, "seed": seed,
        }  # fmt: skip
        chosen = search(
            found, curves, [plain_damage(curve) for curve in curves], limits,
            method=method, seed=seed, settings=settings,
        )  # fmt: skip
    return replace(chosen, seconds={"curves": traced, **chosen.seconds})


def apply(plan: Plan, model: nn.Module, *, progress: Progress = silent) -> nn.Module:
    """Build what a plan says, on the model it was made for or on another checkpoint of it.

    Returns a new module of stock layers; ``model`` is not changed. Raises PlanError when the
    plan does not fit the model.
    """
    with frozen_rng(int(plan.settings.get("seed", 0))):
        return rebuild(model, plan, progress=progress)


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
    chosen = plan(
        model, example, budget, formats=formats, include=include, exclude=exclude,
        round_to=round_to, method=method, seed=seed, progress=progress,
    )  # fmt: skip
    built = apply(chosen, model, progress=progress)
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
