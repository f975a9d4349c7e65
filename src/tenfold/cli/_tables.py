"""Surveys, plans and reports as tables."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from tenfold.cli._terminal import amount, table
from tenfold.costs.quantity import say_quantity
from tenfold.report import Report
from tenfold.values import Plan, Survey, spared

PROVED = 1e-6  # a gap that rounding makes
MEANINGS = {
    "params": "parameters",
    "macs": "multiply-accumulates",
    "bytes": "bytes of weights",
    "latency": "time",
}


def show_survey(out: Console, survey: Survey, dense: Mapping[str, Mapping[str, float]]) -> None:
    """Layers that can be factored, layers that cannot and why, totals."""
    rows = [
        [
            site.name,
            site.kind,
            f"{site.in_channels}→{site.out_channels}",
            "x".join(map(str, site.kernel)) or "-",
            amount(dense[site.name]["params"]),
            amount(dense[site.name]["macs"]),
        ]
        for site in survey.sites
    ]
    heads = ["layer", "kind", "#channels", "#kernel", "#params", "#MACs"]
    out.print(table("Layers that can be factored", heads, rows))
    if survey.refusals:
        rows = [[refusal.name, refusal.reason] for refusal in survey.refusals]
        out.print(table("\nLeft alone", ["layer", "because"], rows))
    totals = ", ".join(f"{amount(value)} {cost}" for cost, value in survey.totals.items())
    fixed = ", ".join(f"{amount(value)} {cost}" for cost, value in survey.fixed.items())
    out.print(f"\nIn all {totals}; of it {fixed} in parts no format can touch.")


def show_plan(out: Console, plan: Plan) -> None:
    """A line a layer, then asked and predicted."""
    rows = [
        [
            x.site,
            x.format,
            "x".join(map(str, x.ranks)),
            f"{x.error:.3f}" if x.format != "dense" else "",
            f"{amount(x.before['params'])} → {amount(x.costs['params'])}",
            x.reason,
        ]
        for x in plan.choices
    ]
    heads = ["layer", "format", "#ranks", "#error", "#params", "note"]
    out.print(table("Plan", heads, rows))
    for limit in plan.budget:
        out.print(
            f"{say_asked(limit.cost, limit.asked, limit.value, plan.before[limit.cost])}; "
            f"predicted {say_quantity(limit.cost, plan.predicted[limit.cost])}."
        )
    if plan.task:
        stated = "as stated" if plan.settings.task else "guessed; --task states another"
        out.print(f"The outputs are compared for the task {plan.task} ({stated}).")
    show_gap(out, plan.gap)


def show_report(out: Console, report: Report) -> None:
    """Counts before and after, then asked, predicted and reached."""
    rows = [
        [
            MEANINGS.get(cost, cost),
            say_quantity(cost, report.before[cost]),
            say_quantity(cost, report.after[cost]),
            f"{report.times_smaller(cost):.2f}x",
        ]
        for cost in report.before
    ]
    out.print(table("Counted again", ["", "#before", "#after", "#less"], rows))
    for x in report.limits:
        reached = "not measured here" if x.reached is None else say_quantity(x.cost, x.reached)
        before = report.before.get(x.cost, x.limit)
        out.print(
            f"{say_asked(x.cost, x.asked, x.limit, before)}; "
            f"predicted {say_quantity(x.cost, x.predicted)}, reached {reached}."
        )
    for name, sentence in report.measured.items():
        out.print(f"{name.capitalize()}: {sentence}.")
    show_gap(out, report.gap)


def say_asked(cost: str, asked: str, limit: float, before: float) -> str:
    """What a limit means, in words."""
    return (
        f"Asked {cost}={asked}: keep at most {limit / before:.4g} of the "
        f"{MEANINGS.get(cost, cost)}, that is {say_quantity(cost, limit)}"
    )


def show_gap(out: Console, gap: float | None) -> None:
    """The certificate, in words that do not promise accuracy."""
    if gap is not None:
        much = "less damage" if gap < PROVED else f"more than {100 * spared(gap):.2f} % less damage"
        out.print(
            f"No other plan on these curves predicts {much} "
            "(a certificate for the prediction, not for the accuracy)."
        )
