"""``tenfold apply``: from a plan in a file to a saved model."""

from __future__ import annotations

from typing import Annotated

import typer

from tenfold.cli._shared import (
    Calibration,
    Example,
    Json,
    Source,
    Threads,
    Weights,
    open_calibration,
    open_source,
    running,
)
from tenfold.cli._terminal import drawn_progress
from tenfold.cli.keep import keep, say_kept
from tenfold.cli.recipe import assemble
from tenfold.machine.files import check_free
from tenfold.machine.processes import world
from tenfold.pipeline.compress import apply_reported
from tenfold.store.folder import read_plan

PlanFile = Annotated[str, typer.Argument(help="A plan that tenfold wrote.", metavar="PLAN")]
Out = Annotated[str, typer.Option(help="A new directory for the result.")]


def apply(
    plan: PlanFile,
    source: Source,
    out: Out,
    weights: Weights = None,
    example: Example = None,
    calibration: Calibration = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Build what a plan says, without data and without training, and save it with its report.

    [bold]Examples[/]

      tenfold apply plan.json demo --out small

      tenfold apply front/plan_0.5.json net.py:make --weights net.safetensors --out small
    """
    target, chosen = check_free(out), read_plan(plan)
    flags = {
        "source": source,
        "weights": weights,
        "example": example,
        "budget": ",".join(f"{limit.cost}={limit.asked}" for limit in chosen.budget),
        "calibration": calibration,
        "threads": threads,
        "out": out,
    }
    recipe = assemble({name: value for name, value in flags.items() if value is not None})
    loaded = open_source(source, weights, example)
    with running(recipe), drawn_progress(world().first) as progress:
        result = apply_reported(
            chosen,
            loaded.model,
            loaded.example,
            calibration=open_calibration(recipe),
            progress=progress,
        )
    if not world().first:
        return
    keep(result, target, recipe, loaded.files)
    say_kept(result, out, json)
