"""Report -> one self-contained HTML page: no script, no font and no image from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tenfold.costs import cost_named
from tenfold.report.draw_layers import draw_layers, draw_trace, label
from tenfold.report.recount import Report
from tenfold.values import spared


def draw_page(report: Report, title: str = "tenfold") -> str:
    """The page as text."""
    drawing = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    drawing.filters["count"] = lambda value: f"{value:,.0f}"
    drawing.filters["quantity"] = lambda value, cost: cost_named(cost).say(value)
    drawing.filters["label"] = label
    drawing.filters["spared"] = spared
    template = files("tenfold.report").joinpath("page.html").read_text("utf-8")
    return drawing.from_string(template).render(
        title=title,
        report=report,
        layers=Markup(draw_layers(report.lines)),
        trace=Markup(draw_trace(report.trace, [limit.cost for limit in report.limits])),
    )
