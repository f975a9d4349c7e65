"""Report and plan -> one HTML page of its own: style, script, pictures and numbers are inside, and
nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tenfold.costs import cost_named
from tenfold.report.headline import say_fewer, say_headline
from tenfold.report.layer_rows import curves_json, left_alone, rows_of
from tenfold.report.numbers import amount, say_asked, say_less, say_number, say_share, say_times
from tenfold.report.plot import Series, draw_lines
from tenfold.report.repeat import say_repeat
from tenfold.report.report import Report
from tenfold.report.say import say_forecast, say_warning
from tenfold.values import Plan, spared

# One file each in page/, in the order of the page; what else is to be shown is one more.
SECTIONS = (
    "quality",
    "latency",
    "budget",
    "files",
    "layers",
    "left_alone",
    "search",
    "training",
    "repeat",
)


def draw_page(report: Report, plan: Plan, title: str = "tenfold") -> str:
    """The page as text."""
    folder = files("tenfold.report").joinpath("page")
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            report=report,
            plan=plan,
            sections=[f"{name}.html" for name in SECTIONS],
            style=Markup(folder.joinpath("page.css").read_text("utf-8")),
            script=Markup(folder.joinpath("page.js").read_text("utf-8")),
            **views(report, plan),
        )
    )


def views(report: Report, plan: Plan) -> dict[str, Any]:
    """What the sections show beside report and plan."""
    return {
        "costs": costs_of(report),
        "headline": say_headline(report, plan),
        "warning": say_warning(plan),
        "forecast": say_forecast(plan),
        "rows": rows_of(report, plan),
        "curves": curves_json(report, plan),
        "left": left_alone(report),
        "trace": draw_trace(report.trace, [limit.cost for limit in report.limits]),
        "training": draw_training(report.history),
        "judged": was_judged(report.history),
        "repeat": say_repeat(report, plan),
    }


def costs_of(report: Report) -> list[str]:
    """What was counted; what was limited comes first."""
    limited = [limit.cost for limit in report.limits if limit.cost in report.before]
    return [*limited, *(cost for cost in report.before if cost not in limited)]


@cache
def environment() -> Environment:
    """The templates, and how they write numbers."""
    drawing = Environment(
        loader=PackageLoader("tenfold.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawing.filters["count"] = lambda value: f"{value:,.0f}"
    drawing.filters["amount"] = amount
    drawing.filters["quantity"] = lambda value, cost: cost_named(cost).say(value)
    drawing.filters["fewer"] = say_fewer
    drawing.filters["noun"] = lambda cost: cost_named(cost).noun
    drawing.filters.update(
        asked=say_asked, less=say_less, number=say_number, share=say_share, times=say_times
    )
    drawing.filters["spared"] = spared
    return drawing


def draw_trace(trace: Sequence[Mapping[str, float]], costs: Sequence[str]) -> Markup:
    """Expected damage and used budget by step; empty without a trace."""
    if not trace or "damage" not in trace[0]:
        return Markup("")
    fell = Series("damage", [(x["step"], x["damage"]) for x in trace])
    used = [
        Series(cost_named(cost).noun, [(x["step"], 100 * x[cost]) for x in trace if cost in x])
        for cost in costs
    ]
    return draw_lines(
        "Expected damage of the relaxed plan", [fell], ("step", "damage"), logarithmic=True
    ) + draw_lines("Used of what each limit leaves", used, ("step", "% used"), limit=100)


def draw_training(history: Sequence[Mapping[str, Any]]) -> Markup:
    """Loss and validation score by epoch; empty without training."""
    loss = [(x["epoch"], x["loss"]) for x in history if x.get("loss") is not None]
    drawn = draw_lines("Training loss", [Series("loss", loss)], ("epoch", "loss"))
    if was_judged(history):
        score = [(x["epoch"], x["score"]) for x in history]
        drawn += draw_lines("On validation batches", [Series("score", score)], ("epoch", "score"))
    return drawn


def was_judged(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether epochs have scores of their own: without validation the loss stands in for one."""
    return any(x.get("score") not in (None, -x["loss"]) for x in history)
