"""Sweep -> one small page with the front as inline SVG, for light and dark screens."""

from __future__ import annotations

from html import escape

from tenfold.report.front import Sweep, SweepPoint, worth_of
from tenfold.report.plot import Axis

WIDTH, HEIGHT, EDGE = 640, 360, 56
STYLE = """
:root { color-scheme: light dark; --ink: #223; --soft: #99a; --line: #1f6f8b; --knee: #b3402a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dde; --soft: #778; --line: #6fc3df; --knee: #ff9a85; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  max-width: 46rem; margin: 2rem auto; }
svg { width: 100%; height: auto } text { fill: var(--ink); font-size: 12px }
.axis { stroke: var(--soft) } .front { stroke: var(--line); fill: none; stroke-width: 2 }
.point { fill: var(--line) } .knee { fill: var(--knee) }
td, th { text-align: right; padding: 0 .8em; font-variant-numeric: tabular-nums }
"""


def draw_front(sweep: Sweep, title: str = "tenfold sweep") -> str:
    """The page as text."""
    what = escape(f"{say_worth(sweep)} against the share of {sweep.cost} that is kept")
    rows = "".join(row_of(point, point == sweep.knee) for point in sweep.points)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1><p>{what}.</p>{draw(sweep)}"
        "<table><tr><th>budget</th><th>kept</th><th>agreement</th><th>quality</th><th>damage</th>"
        f"<th></th></tr>{rows}</table></html>\n"
    )


def say_worth(sweep: Sweep) -> str:
    """What the upright axis shows."""
    if all(point.quality is not None for point in sweep.points):
        return "Quality as measured"
    if all(point.agreement is not None for point in sweep.points):
        return "Agreement with the original"
    return "Predicted damage, turned round,"


def row_of(point: SweepPoint, knee: bool) -> str:
    """A line of the table."""
    cells = [
        escape(point.budget),
        f"{100 * point.kept:.1f} %",
        "" if point.agreement is None else f"{100 * point.agreement:.1f} %",
        "" if point.quality is None else f"{point.quality:.4g}",
        f"{point.damage:.3g}",
        "knee" if knee else "",
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def draw(sweep: Sweep) -> str:
    """Axes, the front as a line, a mark a point."""
    places = places_of(sweep)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(mark_of(p, p == sweep.knee, *at) for p, at in zip(sweep.points, places))
    floor, right = HEIGHT - EDGE, WIDTH - EDGE
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f'<path class="axis" fill="none" d="M{EDGE} {EDGE / 2} V{floor} H{right}"/>'
        f'<polyline class="front" points="{line}"/>{marks}</svg>'
    )


def mark_of(point: SweepPoint, knee: bool, x: float, y: float) -> str:
    """A dot with its amount above it."""
    return (
        f'<circle class="{"knee" if knee else "point"}" cx="{x:.1f}" cy="{y:.1f}" r="4">'
        f"<title>{escape(point.budget)}</title></circle>"
        f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{escape(point.amount)}</text>'
    )


def places_of(sweep: Sweep) -> list[tuple[float, float]]:
    """Where each point lies in the picture: size to the right, quality upwards."""
    sizes, worth = [point.kept for point in sweep.points], worth_of(sweep.points)
    across = Axis(min(sizes), max(sizes), 1.5 * EDGE, WIDTH - 1.5 * EDGE)
    up = Axis(min(worth), max(worth), HEIGHT - 1.5 * EDGE, 1.5 * EDGE)
    return [(across.at(size), up.at(value)) for size, value in zip(sizes, worth)]
