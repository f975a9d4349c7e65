"""Report -> one self-contained HTML page, with pictures of where the parameters were and are now
and of the search: no script, no font and no image from elsewhere."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenfold.costs import cost_named
from tenfold.report.report import Line, Report
from tenfold.values import spared

BEFORE, AFTER, LIMIT = "#c3cbd6", "#1f6f8b", "#b3402a"
MOST = 60  # layers drawn; the table lists all


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


def draw_layers(lines: Sequence[Line]) -> str:
    """Horizontal bars, a pair a layer in the network's order, as SVG text."""
    shown = _largest(lines)
    figure = Figure(figsize=(8.6, 0.9 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    rows = range(len(shown))
    axes.barh(rows, [x.params[0] for x in shown], 0.8, color=BEFORE, label="before")
    axes.barh(rows, [x.params[1] for x in shown], 0.44, color=AFTER, label="after")
    axes.set_yticks(rows, [x.name for x in shown], fontsize=8, parse_math=False)
    axes.invert_yaxis()
    whole = "" if len(shown) == len(lines) else f", the {MOST} largest of {len(lines)} layers"
    axes.set_xlabel(f"parameters{whole}")
    for row, line in enumerate(shown):
        axes.annotate(
            label(line),
            (line.params[0], row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color="#445",
            parse_math=False,
        )
    axes.margins(x=0.18)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return _svg(figure, axes)


def draw_trace(trace: Sequence[Mapping[str, float]], costs: Sequence[str]) -> str:
    """Expected damage and used budget by step, as SVG text; empty without a trace."""
    if not trace or "damage" not in trace[0]:
        return ""
    figure = Figure(figsize=(8.6, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = [entry["step"] for entry in trace]
    left.plot(steps, [entry["damage"] for entry in trace], color=AFTER)
    left.set_yscale("log")
    left.set(xlabel="step", ylabel="expected damage")
    for cost in costs:
        right.plot(steps, [100 * entry[cost] for entry in trace], label=cost)
    right.axhline(100, color=LIMIT, linewidth=0.8)
    right.set(xlabel="step", ylabel="% of what the limit leaves")
    right.legend(frameon=False, fontsize=8)
    return _svg(figure, left, right)


def label(line: Line) -> str:
    """Format and ranks in short."""
    return f"{line.format} {'x'.join(map(str, line.ranks))}".strip()


def _largest(lines: Sequence[Line]) -> list[Line]:
    """At most ``MOST`` layers, the largest, in their order."""
    falling = sorted(range(len(lines)), key=lambda row: -lines[row].params[0])
    return [lines[row] for row in sorted(falling[:MOST])]


def _svg(figure: Figure, *axes: Axes) -> str:
    """The figure as an ``<svg>`` element, the same bytes for the same values."""
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
