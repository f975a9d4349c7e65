"""Report and plan -> what the table of layers shows, and the curves behind each row as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tenfold.report.report import Line, Report
from tenfold.values import Choice, Excerpt, Plan, plain

HTML = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class LayerRow:
    """One layer: its line of the report, the predicted damage, and the largest layer's parameters,
    which its bars are drawn against."""

    line: Line
    damage: float | None
    largest: int

    @property
    def ranks(self) -> str:
        """``"12x14"``."""
        return "x".join(map(str, self.line.ranks))

    @property
    def times(self) -> float:
        """How many times fewer parameters are left."""
        return self.line.params[0] / max(1, self.line.params[1])

    def bar(self, which: int) -> float:
        """The length of a bar, in per cent."""
        return round(100 * self.line.params[which] / max(1, self.largest), 1)


@dataclass(frozen=True)
class Left:
    """A part that was left as it is: its parameters, and why."""

    name: str
    params: int
    reason: str


def rows_of(report: Report, plan: Plan) -> list[LayerRow]:
    """A row a layer that could be factored, in the network's order."""
    choices = {choice.site: choice for choice in plan.choices}
    largest = max((line.params[0] for line in report.lines), default=1)
    return [LayerRow(line, damage_of(choices.get(line.name)), largest) for line in report.lines]


def damage_of(choice: Choice | None) -> float | None:
    """The predicted damage, where the plan has the layer."""
    return None if choice is None else choice.damage


def left_alone(report: Report) -> list[Left]:
    """What was kept whole, and what no format can touch; the largest first."""
    kept = [
        Left(x.name, x.params[1], x.reason or "kept whole by the plan")
        for x in report.lines
        if x.format == "dense"
    ]
    parts = [Left(x.name, x.params, x.reason) for x in report.refusals]
    return sorted([*kept, *parts], key=lambda part: -part.params)


def curves_json(report: Report, plan: Plan) -> Markup:
    """What the page draws when a layer is opened, in the order of the rows; safe inside HTML."""
    by_site: dict[str, list[Excerpt]] = {}
    for curve in plan.curves:
        by_site.setdefault(curve.site, []).append(curve)
    choices = {choice.site: choice for choice in plan.choices}
    layers = [
        layer_json(line, choices.get(line.name), by_site.get(line.name, ()))
        for line in report.lines
    ]
    text = json.dumps(plain(layers), separators=(",", ":"))
    return Markup(text.translate(HTML))


def layer_json(line: Line, choice: Choice | None, curves: Iterable[Excerpt]) -> Mapping[str, Any]:
    """Short keys, for there are many: ``c`` holds the curves, ``at`` the chosen point."""
    at = None
    if choice is not None and choice.format != "dense":
        at = [choice.costs["params"], short(choice.error), short(choice.damage)]
    return {
        "whole": line.params[0],
        "at": at,
        "format": line.format,
        "c": [[x.format, x.params, x.errors, x.damages] for x in curves],
    }


def short(value: float) -> float:
    """Three digits."""
    return float(f"{value:.3g}")
