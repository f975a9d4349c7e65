"""Surveys, plans and reports as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from tenfold.cli._terminal import Name, Row, table
from tenfold.costs import COSTS, cost_named
from tenfold.curves.glance import SHARES, Losses
from tenfold.report import Report
from tenfold.report.numbers import amount, say_asked, say_number
from tenfold.report.say import say_forecast, say_warning
from tenfold.search.problem import say_largest
from tenfold.values import Plan, Refusal, Survey, spared

PROVED = 1e-6  # a gap that rounding makes


def show_survey(
    out: Console,
    survey: Survey,
    dense: Mapping[str, Mapping[str, float]],
    losses: Mapping[str, Losses],
) -> None:
    """Layers that can be factored, with what a half and a quarter of each would lose; layers that
    cannot and why; totals."""
    rows: list[Row] = [
        [
            Name(", ".join(place.name for place in site.places)),
            site.kind,
            f"{site.in_channels}→{site.out_channels}",
            "x".join(map(str, site.kernel)) or "-",
            amount(dense[site.name]["params"]),
            amount(dense[site.name]["macs"]),
            *(say_loss(losses.get(site.name, {}).get(share)) for share in SHARES),
        ]
        for site in survey.sites
    ]
    heads = ["layer", "kind", "#channels", "#kernel", "#params", "#MACs", "#½", "#¼"]
    out.print(table("Layers that can be factored", heads, rows))
    out.print(say_measure(len(survey.sites) - len(losses)))
    show_refusals(out, survey.refusals)
    totals, fixed = say_totals(survey.totals), say_totals(survey.fixed)
    out.print(f"\nIn all {totals}; of it {fixed} in parts no format can touch.")


def say_loss(loss: float | None) -> str:
    """Two decimals, or a dash."""
    return "-" if loss is None else f"{loss:.2f}"


def say_measure(unseen: int) -> str:
    """What stands under a half and a quarter."""
    rest = f" The largest, {unseen} in all, were not decomposed, to save time." if unseen else ""
    return (
        "½, ¼: the relative error of the weight, by its plain spectrum (SVD), where a half or a "
        f"quarter of the layer's parameters are kept.{rest} tenfold plan looks at every format, "
        "and measures what the outputs lose."
    )


def show_refusals(out: Console, refusals: Sequence[Refusal]) -> None:
    """What stays as it is, with its size and the reason."""
    if refusals:
        rows: list[Row] = [[Name(r.name), amount(r.params), r.reason] for r in refusals]
        out.print(table("\nLeft alone", ["part", "#params", "because"], rows))


def say_totals(totals: Mapping[str, float]) -> str:
    """``"270.9k params, 0.30 mJ of energy"``."""
    return ", ".join(
        f"{COSTS[name].say(value)} of {COSTS[name].noun}"
        if COSTS[name].unit
        else f"{amount(value)} {name}"
        for name, value in totals.items()
    )


def show_plan(out: Console, plan: Plan) -> None:
    """A line a layer, what was kept whole and why, the largest of what no format can touch; then
    asked and predicted."""
    rows: list[Row] = [
        [
            Name(x.site),
            x.format,
            "x".join(map(str, x.ranks)),
            f"{x.error:.3f}" if x.format != "dense" else "",
            f"{amount(x.before['params'])} → {amount(x.costs['params'])}",
        ]
        for x in plan.choices
    ]
    heads = ["layer", "format", "#ranks", "#error", "#params"]
    out.print(table("Plan", heads, rows))
    kept = [x for x in plan.choices if x.format == "dense"]
    if kept:
        whole: list[Row] = [[Name(x.site), amount(x.before["params"]), x.reason] for x in kept]
        out.print(table("\nKept whole", ["layer", "#params", "because"], whole))
    out.print()
    if parts := say_largest(plan.refusals):
        out.print(f"No format can touch, the largest first: {parts}.")
    for limit in plan.budget:
        predicted = cost_named(limit.cost).say(plan.predicted[limit.cost])
        out.print(
            f"{say_limit(limit.cost, limit.asked, limit.value, plan.before[limit.cost])}; "
            f"predicted {predicted}."
        )
    if plan.task:
        stated = "as stated" if plan.settings.task else "guessed; --task states another"
        out.print(f"The outputs are compared for the task {plan.task} ({stated}).")
    show_gap(out, plan.gap)
    if plan.forecast is not None:
        out.print(f"Forecast: {say_forecast(plan)}.")
    if warning := say_warning(plan):
        out.print(warning, style="bold")


def show_report(out: Console, report: Report) -> None:
    """Counts before and after, then asked, predicted and reached."""
    rows = [
        [
            cost_named(name).noun,
            cost_named(name).say(report.before[name]),
            cost_named(name).say(report.after[name]),
            f"{report.times_smaller(name):.2f}x",
        ]
        for name in report.before
    ]
    out.print(table("Counted again", ["", "#before", "#after", "#less"], rows))
    for x in report.limits:
        cost, before = cost_named(x.cost), report.before.get(x.cost, x.limit)
        reached = "not measured here" if x.reached is None else cost.say(x.reached)
        out.print(
            f"{say_limit(x.cost, x.asked, x.limit, before)}; "
            f"predicted {cost.say(x.predicted)}, reached {reached}."
        )
    for name, sentence in report.measured.items():
        out.print(f"{name.capitalize()}: {sentence}.")
    show_gap(out, report.gap)


def say_limit(name: str, asked: str, limit: float, before: float) -> str:
    """What a limit means, in words."""
    cost = cost_named(name)
    return (
        f"Asked {name}={say_asked(asked)}: keep at most {say_number(limit / before)} of the "
        f"{cost.noun}, that is {cost.say(limit)}"
    )


def show_gap(out: Console, gap: float | None) -> None:
    """The certificate, in words that do not promise accuracy."""
    if gap is not None:
        much = "less damage" if gap < PROVED else f"more than {100 * spared(gap):.2f} % less damage"
        out.print(
            f"No other plan on these curves predicts {much} "
            "(a certificate for the prediction, not for the accuracy)."
        )
