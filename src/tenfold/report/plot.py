"""Lines over a common axis as inline SVG, whose colours the page's style gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from tenfold.report.numbers import say_number

WIDE, HIGH = 420, 220  # units of the picture, about pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 36  # around the plot
TICKS = 4


@dataclass(frozen=True)
class Series:
    """One line: its name and its points."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A range of values on so many units, from one end to the other."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a value lies."""
        low, high, value = (self._scaled(x) for x in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """A few values that people count in."""
        if self.logarithmic:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            if len(powers) > 1:
                return [10.0**power for power in powers][:: 1 + len(powers) // (TICKS + 2)]
            grid = [
                k * 10.0**power for power in range(powers.start - 1, powers.stop) for k in (1, 2, 5)
            ]
            return [value for value in grid if self.low <= value <= self.high]
        step = nice((self.high - self.low) / TICKS)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(step * k, 12) for k in range(first, last + 1)]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def nice(step: float) -> float:
    """1, 2 or 5 times a power of ten, not below ``step``."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= step * (1 - 1e-9))


def draw_lines(
    title: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    *,
    limit: float | None = None,
    logarithmic: bool = False,
) -> Markup:
    """The plot as ``<svg>`` text with a legend of more than one line; empty without points.
    ``limit`` is drawn across; ``labels`` are those of x and y."""
    points = [point for each in series for point in each.points]
    points = [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not logarithmic)]
    if not points:
        return Markup("")
    across, up = axes_for(points, limit, logarithmic)
    lines = [draw_line(k, each, across, up) for k, each in enumerate(series)]
    crossing = "" if limit is None else draw_limit(up.at(limit))
    return Markup(
        f'<figure><svg class="plot" viewBox="0 0 {WIDE} {HIGH}" role="img" '
        f'aria-label="{escape(title)}">{draw_grid(across, up, labels)}{crossing}'
        f"{''.join(lines)}</svg>{legend(series)}<figcaption>{escape(title)}</figcaption></figure>"
    )


def axes_for(
    points: Sequence[tuple[float, float]], limit: float | None, logarithmic: bool
) -> tuple[Axis, Axis]:
    """The axes that hold all points, and the limit."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    ys += [] if limit is None else [limit]
    room = 0 if logarithmic else 0.05 * (max(ys) - min(ys) or 1)
    across = Axis(min(xs), max(xs), LEFT, WIDE - RIGHT)
    return across, Axis(min(ys) - room, max(ys) + room, HIGH - BOTTOM, TOP, logarithmic)


def draw_line(k: int, series: Series, across: Axis, up: Axis) -> str:
    """A line, or a dot where there is one point."""
    seen = [(x, y) for x, y in series.points if math.isfinite(y) and (y > 0 or not up.logarithmic)]
    at = [(across.at(x), up.at(y)) for x, y in seen]
    if len(at) == 1:
        return f'<circle class="s{k} dot" cx="{at[0][0]}" cy="{at[0][1]}" r="3"/>'
    return f'<polyline class="s{k}" points="{" ".join(f"{x},{y}" for x, y in at)}"/>'


def draw_limit(y: float) -> str:
    """A dashed line across."""
    return f'<line class="limit" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y}" y2="{y}"/>'


def draw_grid(across: Axis, up: Axis, labels: tuple[str, str]) -> str:
    """Lines and numbers, and what the axes are."""
    foot = HIGH - BOTTOM
    rows = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{up.at(y)}" y2="{up.at(y)}"/>'
        f'<text x="{LEFT - 6}" y="{up.at(y) + 4}" text-anchor="end">{say_number(y)}</text>'
        for y in up.ticks()
    ]
    columns = [
        f'<text x="{across.at(x)}" y="{foot + 15}" text-anchor="middle">{say_number(x)}</text>'
        for x in across.ticks()
    ]
    middle = (TOP + foot) / 2
    return (
        f"{''.join(rows)}{''.join(columns)}"
        f'<text x="{(LEFT + WIDE - RIGHT) / 2}" y="{HIGH - 4}" text-anchor="middle">'
        f'{escape(labels[0])}</text><text transform="translate(11 {middle}) rotate(-90)" '
        f'text-anchor="middle">{escape(labels[1])}</text>'
    )


def legend(series: Sequence[Series]) -> str:
    """Names beside their colours; empty for one line."""
    if len(series) < 2:
        return ""
    names = [f'<span class="s{k}">{escape(each.name)}</span>' for k, each in enumerate(series)]
    return f'<p class="legend">{"".join(names)}</p>'
