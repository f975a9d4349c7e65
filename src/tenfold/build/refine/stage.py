"""The stage: gates on a network built somewhat too large, trained together, cut to the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from tenfold.build.refine.gates import Gated, gate
from tenfold.build.refine.harden import cut_down, harden
from tenfold.build.refine.train import DISTIL, Setting, train
from tenfold.costs import COSTS
from tenfold.formats import FORMATS
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import evaluating
from tenfold.network.copying import copy_of
from tenfold.tasks import recall_task
from tenfold.training.replaced import let_learn
from tenfold.values import Choice, Limit, Plan, Site

STEPS = 120


def refine(
    original: nn.Module,
    built: nn.Module,
    plan: Plan,
    sites: Sequence[Site],
    limits: Sequence[Limit],
    inputs: Iterable[Any],
    *,
    round_to: int = 1,
    steps: int = STEPS,
    progress: Progress = silent,
) -> tuple[Plan, nn.Module]:
    """Ranks and factors trained end to end on unlabelled inputs, with whatever else is not frozen.

    Args:
        built: the network that ``plan`` describes, which may exceed the limits.
        sites: of the survey, for the sizes that costs depend on.
        inputs: batches of inputs, gone through again until ``steps`` steps are done.

    Returns:
        A plan with the same formats and no larger ranks, and the module that follows it, within
        ``limits`` unless even its smallest ranks are not. Its costs are exact; its errors and
        damages are still those of the plan it began with.
    """
    student = copy_of(built)
    let_learn(student, original)
    by_name = {site.name: site for site in sites}
    # weights in several places keep their ranks: a gate would have to act in all of them
    chosen = [c for c in plan.choices if c.format != "dense" and not by_name[c.site].others]
    layers = [
        gate(by_name[c.site], c.format, c.ranks, student.get_submodule(c.site)) for c in chosen
    ]
    saved = {cost: sum(c.costs[cost] for c in chosen) for cost in plan.predicted}
    rest = {cost: plan.predicted[cost] - saved[cost] for cost in saved}
    task = recall_task(plan.task)
    mode = task.class_mode if task else DISTIL.class_mode
    setting = Setting(tuple(limits), rest, steps, mode)
    with evaluating(student), evaluating(original):
        trace = train(original, student, layers, inputs, setting, progress)
    ranks = harden(layers, limits, rest, round_to)
    for layer, kept in zip(layers, ranks):
        shrink(student, layer, kept)
    keep_trainable(student, built)
    smaller = {c.site: with_ranks(c, layer.site, r) for c, layer, r in zip(chosen, layers, ranks)}
    predicted = {
        cost: rest[cost] + sum(choice.costs[cost] for choice in smaller.values()) for cost in rest
    }
    choices = tuple(smaller.get(choice.site, choice) for choice in plan.choices)
    return replace(
        plan, choices=choices, predicted=predicted, budget=tuple(limits), trace=trace
    ), student


def shrink(student: nn.Module, layer: Gated, ranks: Sequence[int]) -> None:
    """Put the cut-down chain in the place of the gated one, under each of its names."""
    old = student.get_submodule(layer.site.name)
    bias = layer.links[-1].bias
    factors = cut_down(layer, ranks)
    site = replace(layer.site, dtype=factors[0].dtype)  # wider than surveyed in a half network
    new = FORMATS[layer.format].layers(site, ranks, factors, bias)
    new.train(old.training)
    for name, module in list(student.named_modules(remove_duplicate=False)):
        if module is old:
            student.set_submodule(name, new)


def keep_trainable(student: nn.Module, built: nn.Module) -> None:
    """Parameters want gradients where they did before."""
    wanted = {name: p.requires_grad for name, p in built.named_parameters()}
    for name, parameter in student.named_parameters():
        parameter.requires_grad_(wanted.get(name, True))


def with_ranks(choice: Choice, site: Site, ranks: Sequence[int]) -> Choice:
    """The same choice at other ranks."""
    ops = FORMATS[choice.format].ops(site, tuple(ranks))
    costs = {cost: float(COSTS[cost].total(ops)) for cost in choice.costs}
    return replace(choice, ranks=tuple(ranks), costs=costs)
