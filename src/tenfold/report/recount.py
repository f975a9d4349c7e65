"""Count the original and the built module anew, and hold the plan against the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tenfold.compounds import finish_all, open_for
from tenfold.costs import COSTS
from tenfold.errors import PlanError
from tenfold.latency import Pair
from tenfold.layers import ties_of
from tenfold.machine.timing import environment, processor
from tenfold.network.call import run
from tenfold.network.inputs import leaves
from tenfold.network.watch import watching
from tenfold.report.report import Line, Reached, Report
from tenfold.report.say import expected, say_pair, say_work
from tenfold.values import Choice, Plan

Runs = list[tuple[str, tuple[torch.Size, ...]]]


def make_report(
    original: nn.Module,
    built: nn.Module,
    example: Any,
    plan: Plan,
    history: tuple[Mapping[str, Any], ...] = (),
    pair: Pair | None = None,
) -> Report:
    """Count both modules on the example, without the plan's arithmetic, and with their compounds
    opened: what a fused operation takes is not seen.

    What cannot be counted was measured on the ``pair`` in turn; it is reported as it is, for no
    meter is exact. Raises PlanError when a count disagrees with the plan or exceeds a
    limit: neither may happen, so it is never passed over. Only where the built module runs other
    layers on the example than the original, for what it runs depends on the data, is the
    multiply-accumulates' difference noted in ``measured``.
    """
    layers = [choice.site for choice in plan.choices]
    original, built = open_for(original, layers), open_for(built, layers)
    counted = [finish_all(model) for model in (original, built)]
    before, after = ({name: COSTS[name].measure(m, example) for name in COSTS} for m in counted)
    work = {}
    if not agrees(plan, after, "macs") and not same_work(original, built, example, layers):
        work = {"work": say_work(plan, after)}
    check_agreement(plan, {name: after[name] for name in after if not work or name != "macs"})
    if pair:
        cost = pair.target.cost
        before[cost], after[cost] = plan.before[cost], reached_by(pair, plan)
    limits = tuple(
        Reached(x.cost, x.asked, x.value, plan.predicted[x.cost], after.get(x.cost))
        for x in plan.budget
    )
    return Report(
        before=before,
        after=after,
        limits=limits,
        lines=lines_of(plan, original, built),
        refusals=plan.refusals,
        method=plan.method,
        gap=plan.gap,
        trace=plan.trace,
        seconds=dict(plan.seconds),
        environment={**environment(), "processor": processor()},
        measured={**(say_pair(limits, pair) if pair else {}), **work, **expected(plan)},
        history=history,
    )


def reached_by(pair: Pair, plan: Plan) -> float:
    """What is left: of these runs for an absolute limit, else its share of what the original took
    when the plan was made, so that a slower hour does not count."""
    if pair.target.share:
        return pair.ratio * plan.before[pair.target.cost]
    return pair.after.median


def agrees(plan: Plan, counted: Mapping[str, float], name: str) -> bool:
    """Whether a count is what the plan predicted, and within its limit."""
    limits = [limit.value for limit in plan.budget if limit.cost == name]
    within = all(counted[name] <= value * (1 + 1e-9) for value in limits)
    return within and COSTS[name].close(counted[name], plan.predicted.get(name, counted[name]))


def check_agreement(plan: Plan, counted: Mapping[str, float]) -> None:
    """The built module must cost what the plan predicted, and stay within each limit."""
    for name, value in counted.items():
        cost, predicted = COSTS[name], plan.predicted.get(name)
        if predicted is not None and not cost.close(value, predicted):
            raise PlanError(
                f"The built module must have the predicted {name} {cost.say(predicted)}, but found "
                f"{cost.say(value)}; plan and report with the same model and example."
            )
    for limit in plan.budget:
        value = counted.get(limit.cost, 0.0)
        if value > limit.value * (1 + 1e-9):
            cost = COSTS[limit.cost]
            raise PlanError(
                f"The built module must keep {limit.cost} within {cost.say(limit.value)}, but "
                f"found {cost.say(value)}; edit the plan, or ask for a larger budget."
            )


def same_work(original: nn.Module, built: nn.Module, example: Any, layers: Sequence[str]) -> bool:
    """Whether the named layers are called in the same order with inputs of the same sizes. They
    are not where how much a network runs depends on what its layers say. Layers that went into
    others are not looked at."""
    there = dict(built.named_modules(remove_duplicate=False))
    layers = [name for name in layers if name in there]
    return calls_of(original, example, layers) == calls_of(built, example, layers)


def calls_of(model: nn.Module, example: Any, layers: Sequence[str]) -> Runs:
    """The name of each layer as it is called, with the sizes of its inputs."""
    calls: Runs = []

    def recorder(name: str) -> Any:
        def record(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            calls.append((name, tuple(x.shape for x in leaves(inputs))))

        return record

    with watching({model.get_submodule(name): recorder(name) for name in layers}):
        run(model, example)
    return calls


def lines_of(plan: Plan, original: nn.Module, built: nn.Module) -> tuple[Line, ...]:
    """A line a choice."""
    ties = ties_of(original)
    return tuple(
        line_of(choice, [place.name for place in ties.get(choice.site, ())], original, built)
        for choice in plan.choices
    )


def line_of(choice: Choice, tied: Sequence[str], original: nn.Module, built: nn.Module) -> Line:
    """Parameters counted in the modules, in all that are ``tied``; MACs, and the parameters of a
    layer that went into others, as the plan has them, whose totals were counted."""
    names = tied or [choice.site]
    counts = [
        held(original, names, choice.before),
        held(built, names, choice.costs),
    ]
    return Line(
        choice.site,
        choice.format,
        choice.ranks,
        choice.error,
        (counts[0], counts[1]),
        (choice.before["macs"], choice.costs["macs"]),
        choice.reason,
    )


def held(model: nn.Module, names: Sequence[str], planned: Mapping[str, float]) -> int:
    """The parameters of layers, each once; as planned where one is no longer there."""
    there = dict(model.named_modules(remove_duplicate=False))
    if not all(name in there for name in names):
        return int(planned["params"])
    return sum(p.numel() for p in nn.ModuleList([there[name] for name in names]).parameters())
