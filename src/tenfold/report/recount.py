"""Count the original and the built module anew, and hold the plan against the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from tenfold.compounds import finish_all, open_for
from tenfold.costs import COSTS, MEASURED
from tenfold.errors import PlanError
from tenfold.latency import Pair
from tenfold.layers import ties_of
from tenfold.machine.schema import Step
from tenfold.machine.timing import environment
from tenfold.report.compare_work import same_work
from tenfold.report.say_forecast import say_forecast, say_warning
from tenfold.values import Choice, Plan, Refusal, plain

KEY = "tenfold_report"
STEPS: tuple[Step, ...] = ()  # from each version to the next


@dataclass(frozen=True)
class Reached:
    """One limit: as asked, in absolute terms, what the plan predicted, what was counted."""

    cost: str
    asked: str
    limit: float
    predicted: float
    reached: float | None  # None: measured on a device that is not here


@dataclass(frozen=True)
class Line:
    """One layer: what became of it, and its parameters counted in both modules."""

    name: str
    format: str
    ranks: tuple[int, ...]
    error: float
    params: tuple[int, int]
    macs: tuple[float, float]
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """Counts before and after by an independent recount; what was measured, if anything was.

    ``files`` tells of the int8 files made of the saved model: each beside the float ones it was
    measured with, as ``tenfold.quantise`` writes it down.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    limits: tuple[Reached, ...]
    lines: tuple[Line, ...]
    refusals: tuple[Refusal, ...]
    method: str
    gap: float | None
    trace: tuple[Mapping[str, float], ...]
    seconds: Mapping[str, float]
    environment: Mapping[str, Any]
    measured: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    files: tuple[Mapping[str, Any], ...] = ()

    def times_smaller(self, cost: str) -> float:
        """How many times less of a cost is left."""
        return self.before[cost] / max(self.after[cost], 1e-300)


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
        environment=environment(),
        measured={**(say_pair(limits, pair) if pair else {}), **work, **expected(plan)},
        history=history,
    )


def expected(plan: Plan) -> dict[str, str]:
    """The forecast in words, and that the network will hardly work where it says so."""
    if plan.forecast is None:
        return {}
    warning = say_warning(plan)
    return {"forecast": say_forecast(plan) + (f". {warning}"[:-1] if warning else "")}


def reached_by(pair: Pair, plan: Plan) -> float:
    """What is left: of these runs for an absolute limit, else its share of what the original took
    when the plan was made, so that a slower hour does not count."""
    if pair.target.share:
        return pair.ratio * plan.before[pair.target.cost]
    return pair.after.median


def say_pair(limits: Sequence[Reached], pair: Pair) -> dict[str, str]:
    """The measurement in words, and whether prediction and limit held."""
    target, cost = pair.target, MEASURED[pair.target.cost]
    (x,) = (limit for limit in limits if limit.cost == target.cost)
    assert x.reached is not None
    off, over = x.reached / x.predicted - 1, x.reached / x.limit - 1
    good = "" if cost.close(x.reached, x.predicted) else "not "
    return {
        target.cost: f"{cost.say(pair.before.median)} before, {cost.say(pair.after.median)} after "
        f"in {target.engine} on {target.threads} thread(s), medians of interleaved runs; "
        f"{1 / pair.ratio:.2f}x {cost.gain}",
        "prediction": f"{off:+.1%} off, {good}within {cost.tolerance:.0%}",
        "limit": "kept" if over <= 0 else f"missed by {over:.1%}",
    }


def say_work(plan: Plan, counted: Mapping[str, float]) -> str:
    """What the compressed network runs on the example, where this depends on the data."""
    cost = COSTS["macs"]
    return (
        "what the network runs depends on its data: on the example the compressed one takes "
        f"{cost.say(counted['macs'])} {cost.noun}, {cost.say(plan.predicted['macs'])} if it ran "
        "what the original runs"
    )


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


def report_to_json(report: Report) -> dict[str, Any]:
    """A dictionary of plain values, with its version."""
    body: dict[str, Any] = plain({**asdict(report), "lines": [asdict(x) for x in report.lines]})
    return {KEY: len(STEPS) + 1, **body}


def lines_of(plan: Plan, original: nn.Module, built: nn.Module) -> tuple[Line, ...]:
    """A line a choice."""
    ties = ties_of(original)
    return tuple(
        _line(choice, [place.name for place in ties.get(choice.site, ())], original, built)
        for choice in plan.choices
    )


def _line(choice: Choice, tied: Sequence[str], original: nn.Module, built: nn.Module) -> Line:
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
