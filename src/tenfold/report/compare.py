"""Two saved results -> where they differ: what is left, how good it is, and layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tenfold.report.report import Line, Quality, Report
from tenfold.values import Forecast, Plan


@dataclass(frozen=True)
class Side:
    """One of the two results."""

    name: str
    plan: Plan
    report: Report


@dataclass(frozen=True)
class Comparison:
    """By cost what both have left; by measure and data the quality of each that was measured; the
    forecasts; and the layers that became something else, None where a result has no such layer."""

    names: tuple[str, str]
    same_original: bool
    costs: Mapping[str, tuple[float | None, float | None]]
    quality: Mapping[tuple[str, str], tuple[Quality | None, Quality | None]]
    forecast: tuple[Forecast | None, Forecast | None]
    layers: tuple[tuple[Line | None, Line | None], ...]


def compare_results(first: Side, second: Side) -> Comparison:
    """Both side by side; the first's order of layers, then what the second has beside."""
    reports = (first.report, second.report)
    costs = dict.fromkeys([name for report in reports for name in report.after])
    measured = [{(x.measure, x.data): x for x in report.quality} for report in reports]
    keys = dict.fromkeys([key for found in measured for key in found])
    return Comparison(
        (first.name, second.name),
        reports[0].before == reports[1].before,
        {name: (reports[0].after.get(name), reports[1].after.get(name)) for name in costs},
        {key: (measured[0].get(key), measured[1].get(key)) for key in keys},
        (first.plan.forecast, second.plan.forecast),
        tuple(differing(*reports)),
    )


def differing(first: Report, second: Report) -> Iterator[tuple[Line | None, Line | None]]:
    """The layers whose format or ranks are not the same."""
    mine, theirs = ({line.name: line for line in report.lines} for report in (first, second))
    for name in dict.fromkeys([*mine, *theirs]):
        pair = mine.get(name), theirs.get(name)
        if became(pair[0]) != became(pair[1]):
            yield pair


def became(line: Line | None) -> tuple[str, tuple[int, ...]] | None:
    """Format and ranks."""
    return None if line is None else (line.format, line.ranks)
