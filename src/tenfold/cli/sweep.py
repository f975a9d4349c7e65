"""``tenfold sweep``: many budgets of one network, from one pass of sensing and curves."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console

import tenfold
from tenfold.cli._flags import flags_of, in_panel, with_flags
from tenfold.cli._shared import (
    Calibration,
    Config,
    Example,
    Json,
    MaybeSource,
    Quality,
    Threads,
    Weights,
    open_calibration,
    open_source,
    open_task,
    running,
)
from tenfold.cli._terminal import console, drawn_progress, say_json, table
from tenfold.cli.recipe import Recipe, make_recipe
from tenfold.errors import bad_value
from tenfold.machine.processes import world
from tenfold.report.front import Sweep, SweepPoint
from tenfold.report.numbers import amount
from tenfold.settings import PlanSettings
from tenfold.sources import open_data, open_function
from tenfold.store.sweep_folder import PAGE, plan_name, point_to_json

Budgets = Annotated[
    str,
    typer.Option(help="0.9..0.1 (in steps of 0.1), 0.9..0.1:9 (so many points), or 0.9,0.5,54k."),
]
Cost = Annotated[
    str, typer.Option(help="What the budgets limit: params, macs, bytes, latency or another cost.")
]
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Labelled batches to measure each network on: demo (its test images), or "
        "path/to/file.py:function. Building the networks takes longer than planning them."
    ),
]
Out = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="A directory for the plans and the front; one of before is completed."),
]
FLAGS = {
    "source": MaybeSource,
    "weights": Weights,
    "example": Example,
    "data": Data,
    "quality": Quality,
    "out": Out,
    "threads": Threads,
    **in_panel("Plan", {"calibration": Calibration, **flags_of(PlanSettings)}),
}


@with_flags(FLAGS)
def sweep(
    flags: Mapping[str, Any],
    budgets: Budgets = "0.9..0.1",
    cost: Cost = "params",
    config: Config = None,
    json: Json = False,
) -> None:
    """Plan many budgets at once: quality against size, and where the front bends.

    The same command, run again, makes only what is missing.

    [bold]Examples[/]

      tenfold sweep demo --budgets 0.9..0.1 --out front

      tenfold sweep net.py:make --budgets 0.8,0.4,0.2 --cost macs --data net.py:loader --out front
    """
    recipe = make_recipe(flags, config, needs=("source",))
    if not recipe.out:
        raise bad_value("A sweep needs an output directory", "none", "pass --out DIR")
    loaded = open_source(recipe.source, recipe.weights, recipe.example)
    with running(recipe), drawn_progress(world().first) as progress:
        found = tenfold.sweep(
            loaded.model,
            loaded.example,
            budgets,
            cost=cost,
            data=open_data(recipe.data, "test") if recipe.data else None,
            quality=open_function(recipe.quality) if recipe.quality else None,
            folder=recipe.out,
            planning=recipe.planning,
            calibration=open_calibration(recipe),
            **open_task(recipe),
            progress=progress,
        )
    if not world().first:
        return
    show(console(json), found, recipe)
    if json:
        points = [point_to_json(point, found.knee) for point in found.points]
        unmet = [each.amount for each in found.unmet]
        say_json({"out": recipe.out, "cost": found.cost, "points": points, "unmet": unmet})


def show(out: Console, found: Sweep, recipe: Recipe) -> None:
    """The front as a table, what cannot be met, and how to build a point."""
    heads = ["budget", "#params", "#MACs", "#agrees", "#quality", "#damage", "note"]
    rows = [line(point, found.knee) for point in found.points]
    out.print(table(f"{found.cost} of {recipe.source}", heads, rows))
    if found.original is not None:
        out.print(f"Quality of the original: {found.original:.2f}.")
    if found.unmet:
        unmet = ", ".join(each.amount for each in found.unmet)
        out.print(f"{found.cost}={unmet} cannot be met; the first that can is {first(found)}.")
    chosen = found.knee or found.points[-1]
    out.print(f"Plans and {PAGE} are in {recipe.out}. Build one:\n  {command(chosen, recipe)}")


def line(point: SweepPoint, knee: SweepPoint | None) -> list[str]:
    """One point in as few columns as a terminal has."""
    forecast = point.plan.forecast
    agrees = "" if forecast is None else f"{100 * forecast.agreement:.1f} %"
    return [
        point.amount,
        amount(point.plan.predicted["params"]),
        amount(point.plan.predicted["macs"]),
        agrees,
        "" if point.quality is None else f"{point.quality:.2f}",
        f"{point.damage:.3g}",
        "knee" if point == knee else "",
    ]


def first(found: Sweep) -> str:
    """The smallest budget that can be met."""
    return found.points[-1].budget


def command(point: SweepPoint, recipe: Recipe) -> str:
    """What builds a point, from the same source."""
    words = ["tenfold", "apply", str(Path(recipe.out or "") / plan_name(point.amount))]
    words.append(recipe.source)
    for name in ("weights", "example", "calibration"):
        if value := getattr(recipe, name):
            words += [f"--{name}", value]
    return shlex.join([*words, "--out", "small"])
