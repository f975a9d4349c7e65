"""``tenfold compare``: two saved results side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tenfold.cli._shared import Json
from tenfold.cli._terminal import Name, console, say_json, table
from tenfold.costs import cost_named
from tenfold.report import Line, Quality
from tenfold.report.compare import Comparison, Side, compare_results
from tenfold.report.numbers import amount
from tenfold.report.say import say_expected
from tenfold.store.folder import PLAN, read_plan, read_report
from tenfold.values import plain

First = Annotated[str, typer.Argument(help="A directory that tenfold compress wrote.", metavar="A")]
Second = Annotated[str, typer.Argument(help="Another one.", metavar="B")]


def compare(first: First, second: Second, json: Json = False) -> None:
    """Show where two saved results differ: size, MACs, quality, forecast, layer by layer.

    Quality is shown where tenfold evaluate has measured it.

    [bold]Examples[/]

      tenfold compare small smaller

      tenfold compare small smaller --json
    """
    sides = read_side(first), read_side(second)
    found = compare_results(*sides)
    show(console(json), found, sides)
    if json:
        say_json(to_json(found))


def read_side(folder: str) -> Side:
    """The plan and the report of a directory."""
    return Side(folder, read_plan(Path(folder) / PLAN), read_report(folder))


def show(out: Console, found: Comparison, sides: tuple[Side, Side]) -> None:
    """What both have left and how good they are, then the layers that differ."""
    heads = ["", *(f"#{letter}" for letter in "AB")]
    out.print(f"A is {found.names[0]}, B is {found.names[1]}.")
    if not found.same_original:
        out.print("They were made of networks of different sizes.", style="bold")
    out.print(table("", heads, list(summary_rows(found, sides))))
    if not found.layers:
        out.print("Every layer became the same in both.")
        return
    rows = [list(layer_cells(*pair)) for pair in found.layers]
    title = f"\nLayers that differ ({len(rows)})"
    out.print(table(title, ["layer", "#A", "#params", "#B", "#params"], rows))


def summary_rows(found: Comparison, sides: tuple[Side, Side]) -> Iterator[list[str]]:
    """A row a cost, a measured quality, and the forecast."""
    for name, pair in found.costs.items():
        cost = cost_named(name)
        yield [cost.noun, *("-" if value is None else cost.say(value) for value in pair)]
    for (measure, data), both in found.quality.items():
        yield [f"{measure} on {data}", *map(say_value, both)]
    if any(found.forecast):
        yield ["forecast", *(forecast_of(side) for side in sides)]


def forecast_of(side: Side) -> str:
    """``"97.1 ± 0.4 %"`` with what it is of, short enough for a table."""
    said = side.plan.forecast
    if said is None:
        return "-"
    words = say_expected(side.plan)
    return words.replace("of the original's decisions", "agreement") if words else "-"


def say_value(quality: Quality | None) -> str:
    """The mean after everything, and how sure it is."""
    if quality is None:
        return "not measured"
    digits, after = (2, quality.after) if quality.unit else (4, quality.after)
    spread = "" if after.spread is None else f" ± {after.spread:.{digits}f}"
    return f"{after.value:.{digits}f}{spread} {quality.unit}".strip()


def layer_cells(first: Line | None, second: Line | None) -> Iterator[str | Name]:
    """Its name, then what it became and how many parameters that has, twice."""
    line = first or second
    yield Name(line.name if line else "")
    for each in (first, second):
        if each is None:
            yield from ("not planned", "")
        else:
            yield f"{each.format} {'x'.join(map(str, each.ranks))}".strip()
            yield amount(each.params[1])


def to_json(found: Comparison) -> dict[str, Any]:
    """Lists of two everywhere: of A, then of B."""
    return {
        "names": list(found.names),
        "same_original": found.same_original,
        "costs": {name: list(pair) for name, pair in found.costs.items()},
        "quality": [
            {"measure": measure, "data": data, "after": [q and asdict(q.after) for q in both]}
            for (measure, data), both in found.quality.items()
        ],
        "forecast": [each and asdict(each) for each in found.forecast],
        "layers": [plain([line and asdict(line) for line in pair]) for pair in found.layers],
    }
