"""Chosen -> model': rebuild, reconstruct and, when asked, refine end to end; no data is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.build.narrow import narrowed
from tenfold.build.rebuild import opened_by, rebuild
from tenfold.build.reconstruct import reconstruct
from tenfold.build.refine import refine
from tenfold.build.teach import teach
from tenfold.costs import cost_named
from tenfold.curves import divergence
from tenfold.curves.outcome import Judge
from tenfold.data.augment import mirrored
from tenfold.data.synthesise import STEPS
from tenfold.data.synthetic import synthetic_inputs
from tenfold.errors import bad_value
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress
from tenfold.network.call import evaluating, run
from tenfold.pipeline.choose import Chosen
from tenfold.search.budget import BudgetSpec, measured_target, parse_budget
from tenfold.sense import Sensed
from tenfold.settings import PlanSettings
from tenfold.tasks import Task, guess_task
from tenfold.training import Blends
from tenfold.values import Limit, Plan

LOOSE = 1.1  # times each limit, for ranks to shrink from
MORE = 192  # synthetic inputs beside those that were sensed on
CLEARLY = 0.9  # the searched plan has a certificate: another must be this much closer


def realise(chosen: Chosen, settings: PlanSettings, progress: Progress) -> tuple[Plan, nn.Module]:
    """The network of a plan, in the types of the original, with the plan and what is to expect of
    it now that it is built."""
    torch.manual_seed(settings.seed)  # the build draws the same, whatever came before it
    exact = chosen.guest.exact
    if settings.refine == "end-to-end":
        plan, built = refine_together(chosen, settings.seed, progress)
    else:
        plan = chosen.plan
        built = build(exact, plan, chosen.sensed, chosen.judge, progress)
    if chosen.judge is not None:
        plan = replace(plan, forecast=chosen.with_way_out(chosen.judge.forecast(built), plan))
    return plan, narrowed(built, chosen.guest.model, plan)


def build(
    model: nn.Module, plan: Plan, sensed: Sensed, judge: Judge | None, progress: Progress
) -> nn.Module:
    """The planned layers; fitted one after the other where there are inputs to fit them on, as far
    as the judge finds them nearer."""
    model = opened_by(plan, model)
    built = rebuild(model, plan, sensed.metrics, progress)
    for name in (c.site for c in plan.choices if c.format != "dense" and c.site in sensed.lessons):
        original, factored = (network.get_submodule(name) for network in (model, built))
        teach(original, factored, sensed.lessons[name], plan.settings.seed)
    if not sensed.typical:
        return built
    return reconstruct(
        model, built, plan, fitted_on(sensed), sensed.metrics, progress, judge, sensed.lessons
    )


def fitted_on(sensed: Sensed) -> list[Any]:
    """The sensed batches; made images also mirrored, which fits better."""
    return mirrored(sensed.batches) if sensed.origin == "synthetic" else list(sensed.batches)


def check_depth(refine: str, budget: BudgetSpec) -> None:
    """A measured cost cannot be priced while ranks are not whole."""
    target = measured_target(parse_budget(budget)) if refine == "end-to-end" else None
    if target is not None:
        raise bad_value(
            "refine='end-to-end' needs limits that can be counted",
            cost_named(target.cost).one,
            "use refine='layers'",
        )


def refine_together(chosen: Chosen, seed: int, progress: Progress) -> tuple[Plan, nn.Module]:
    """The plan as searched and the one that training ends at, both fitted on more inputs; of the
    two the searched one, unless the other is clearly closer to the original on inputs held apart,
    for on held-out images the searched one was never the worse."""
    model = chosen.guest.exact
    if not chosen.sensed.typical:
        return chosen.plan, build(model, chosen.plan, chosen.sensed, chosen.judge, progress)
    batches = more_inputs(chosen, seed, progress)
    train, apart = batches[:-1] or batches, batches[-1]
    plenty = replace(chosen.sensed, batches=tuple(train))
    others = list(moved_plans(chosen, plenty, progress))
    plan, built = chosen.plan, build(model, chosen.plan, plenty, chosen.judge, progress)

    def apart_by(network: nn.Module) -> float:
        return distance(network, model, apart, chosen.sensed.task)

    for moved, fitted in others:
        if apart_by(fitted) < CLEARLY * apart_by(built):
            plan, built = moved, fitted
    return plan, built


def moved_plans(
    chosen: Chosen, plenty: Sensed, progress: Progress
) -> Iterator[tuple[Plan, nn.Module]]:
    """The plan that training ends at, and its network; none where there is nothing to train, or
    where no ranks of its formats keep the limits. Nothing is trained after the last fit: on
    held-out images that helped at 5x and hurt at 3x."""
    large = chosen.find([replace(limit, value=limit.value * LOOSE) for limit in chosen.limits])
    held = {site.name for site in chosen.survey.sites if site.others}  # which keep their ranks
    if all(choice.format == "dense" or choice.site in held for choice in large.choices):
        return
    model = opened_by(large, chosen.guest.exact)
    moved, shrunk = refine(
        model,
        build(model, large, chosen.sensed, chosen.judge, progress),
        large,
        chosen.survey.sites,
        chosen.limits,
        mixed(plenty.batches),
        round_to=chosen.plan.settings.round_to or 1,
        progress=progress,
    )
    if keeps(moved, chosen.limits):
        moved = chosen.predict(replace(moved, bound=chosen.plan.bound, seconds=chosen.plan.seconds))
        yield moved, reconstruct(model, shrunk, moved, fitted_on(plenty), plenty.metrics, progress)


def keeps(plan: Plan, limits: Sequence[Limit]) -> bool:
    """Whether a plan keeps every limit, rounding of sums aside."""
    return all(plan.predicted[limit.cost] <= limit.value * (1 + 1e-12) for limit in limits)


def more_inputs(chosen: Chosen, seed: int, progress: Progress) -> list[Any]:
    """The sensed batches, with more of their kind where they are synthetic."""
    batches = list(chosen.sensed.batches)
    if chosen.sensed.origin != "synthetic":
        return batches
    more = on_first_process(
        lambda: synthetic_inputs(
            chosen.guest.exact,
            chosen.guest.exact_example,
            MORE,
            seed + 1,
            progress,
            steps=STEPS,
        )
    )
    return [*batches, *more.split(len(batches[0]))]


def mixed(batches: Sequence[Any]) -> Iterable[Any]:
    """Blends of real inputs of one size; others as they are."""
    tensors = [batch for batch in batches if isinstance(batch, Tensor) and batch.ndim > 1]
    shapes = {(batch.shape[1:], batch.is_floating_point()) for batch in tensors}
    if len(tensors) == len(batches) and len(shapes) == 1 and tensors[0].is_floating_point():
        return Blends(torch.cat(list(batches)))
    return list(batches)


@torch.no_grad()
def distance(built: nn.Module, original: nn.Module, inputs: Any, task: Task | None = None) -> float:
    """Divergence of the outputs on a batch of inputs."""
    task = task or guess_task(original, run(original, inputs))
    with evaluating(built), evaluating(original):
        return divergence(built, original, [inputs], task)
