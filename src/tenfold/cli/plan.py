"""``tenfold plan``: choose formats and ranks, without data and without building anything."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

import tenfold
from tenfold.cli._options import (
    Budget,
    Calibration,
    Config,
    Example,
    Exclude,
    Formats,
    Include,
    Json,
    LatencyTable,
    MaybeSource,
    Method,
    RoundTo,
    Seed,
    Threads,
    Weights,
)
from tenfold.cli._run import plan_arguments, running
from tenfold.cli._tables import show_plan
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import make_recipe
from tenfold.machine.files import check_free
from tenfold.sources import open_model
from tenfold.store.folder import write_plan
from tenfold.store.plan_file import plan_to_json

Out = Annotated[Optional[str], typer.Option(help="Write the plan to this new JSON file.")]  # noqa: UP045


def plan(
    source: MaybeSource = None,
    budget: Budget = None,
    weights: Weights = None,
    example: Example = None,
    calibration: Calibration = None,
    formats: Formats = None,
    include: Include = None,
    exclude: Exclude = None,
    round_to: RoundTo = None,
    latency_table: LatencyTable = None,
    method: Method = None,
    seed: Seed = None,
    threads: Threads = None,
    config: Config = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Choose a format and ranks for every layer; show them, and write them down to edit.

    [bold]Examples[/]

      tenfold plan demo --budget params=0.2

      tenfold plan net.py:make --budget params=54k,macs=0.5 --out plan.json
    """
    recipe = make_recipe(
        {
            "source": source,
            "budget": budget,
            "weights": weights,
            "example": example,
            "calibration": calibration,
            "formats": formats,
            "include": include,
            "exclude": exclude,
            "round_to": round_to,
            "latency_table": latency_table,
            "method": method,
            "seed": seed,
            "threads": threads,
            "out": out,
        },
        config,
    )
    if out:  # a recipe names the directory of a run
        check_free(out)
    loaded = open_model(recipe.source, recipe.weights, recipe.example)
    with running(recipe), drawn_progress() as progress:
        found = tenfold.plan(
            loaded.model, loaded.example, recipe.budget, **plan_arguments(recipe), progress=progress
        )
    if out:
        write_plan(found, out)
    show_plan(console(json), found)
    if json:
        say_json(plan_to_json(found))
