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
from tenfold.cli._tables import show_plan, show_report
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import assemble, write_recipe
from tenfold.machine.files import check_free
from tenfold.machine.processes import world
from tenfold.pipeline.compress import apply_reported
from tenfold.report import report_to_json
from tenfold.store.folder import read_plan, save

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
    beside = {file.name: file for file in loaded.files}
    save(result, target, extra={**beside, "recipe.yaml": write_recipe(recipe)})
    screen = console(json)
    show_plan(screen, chosen)
    screen.print()
    show_report(screen, result.report)
    screen.print(f"Saved in {out}; open {out}/report.html for the picture.")
    if json:
        say_json({"out": out, **report_to_json(result.report)})
