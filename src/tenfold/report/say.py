"""What was measured, and what a plan expects of its network, in sentences that a person
understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tenfold.costs import COSTS, MEASURED
from tenfold.latency import Pair
from tenfold.report.report import Quality, Reached
from tenfold.values import Plan

MADE = {
    "synthetic": "inputs made from its BatchNorm statistics, harder than real ones,",
    "tokens": "sequences of made tokens",
    "noise": "inputs of noise, which say little",
    "calibration": "inputs of the calibration",
}


def say_forecast(plan: Plan) -> str:
    """Agreement with its spread and the inputs it was measured on; empty without any."""
    if plan.forecast is None:
        return ""
    said, where = plan.forecast, MADE.get(plan.origin, "inputs")
    what = say_expected(plan)
    if not said.fitted:
        what = f"at least {what}, before its layers are fitted to the original"
    tuned = " before the fine-tuning" if plan.tuning else ""
    return f"keeps {what}{tuned}, on {said.inputs} {where} that made nothing of it"


def say_expected(plan: Plan) -> str:
    """``"97.1 ± 0.4 % of the original's decisions"``; empty without a forecast."""
    if plan.forecast is None:
        return ""
    said = plan.forecast
    spread = f" ± {100 * said.spread:.1f}" if said.spread else ""
    if said.kind == "decisions":
        return f"{100 * said.agreement:.1f}{spread} % of the original's decisions"
    return f"its outputs within {100 * (1 - said.agreement):.1f}{spread} % of the original's"


def say_quality(quality: Quality) -> str:
    """``"Top-1 93.01 % before, 92.85 % after: -0.16 points, on 10,000 samples"``, and how sure."""
    digits, gap = (2, " points") if quality.unit else (4, "")
    unit = f" {quality.unit}" if quality.unit else ""
    name = quality.measure[:1].upper() + quality.measure[1:]
    before, after = quality.before, quality.after
    said = (
        f"{name} {before.value:.{digits}f}{unit} before, {after.value:.{digits}f}{unit} after: "
        f"{after.value - before.value:+.{digits}f}{gap}, on {after.samples:,} samples"
    )
    if before.spread is None or after.spread is None:
        return said
    sure = f"{before.spread:.{digits}f} before, {after.spread:.{digits}f} after"
    return f"{said} (standard error {sure})"


def say_warning(plan: Plan) -> str:
    """That a network will hardly work, and the ways out; empty where it may well."""
    if plan.forecast is None or not plan.forecast.hardly:
        return ""
    ways = [f"keep {plan.forecast.enough}" if plan.forecast.enough else "keep more"]
    if plan.origin != "calibration":
        ways.append("pass calibration, a few hundred unlabelled inputs")
    ways.append("fine-tune")
    return f"This network will hardly work as it is: {', '.join(ways[:-1])} or {ways[-1]}."


def expected(plan: Plan) -> dict[str, str]:
    """The forecast in words, and that the network will hardly work where it says so."""
    if plan.forecast is None:
        return {}
    warning = say_warning(plan)
    return {"forecast": say_forecast(plan) + (f". {warning}"[:-1] if warning else "")}


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
