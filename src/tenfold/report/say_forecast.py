"""What a plan expects of its network, in sentences that a person understands."""

from __future__ import annotations

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
    spread = f" ± {100 * said.spread:.1f}" if said.spread else ""
    if said.kind == "decisions":
        what = f"{100 * said.agreement:.1f}{spread} % of the original's decisions"
    else:
        what = f"its outputs within {100 * (1 - said.agreement):.1f}{spread} % of the original's"
    if not said.fitted:
        what = f"at least {what}, before its layers are fitted to the original"
    tuned = " before the fine-tuning" if plan.tuning else ""
    return f"keeps {what}{tuned}, on {said.inputs} {where} that made nothing of it"


def say_warning(plan: Plan) -> str:
    """That a network will hardly work, and the ways out; empty where it may well."""
    if plan.forecast is None or not plan.forecast.hardly:
        return ""
    ways = [f"keep {plan.forecast.enough}" if plan.forecast.enough else "keep more"]
    if plan.origin != "calibration":
        ways.append("pass calibration, a few hundred unlabelled inputs")
    ways.append("fine-tune")
    return f"This network will hardly work as it is: {', '.join(ways[:-1])} or {ways[-1]}."
