"""``tenfold plan``: choose formats and ranks, without data and without building anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Optional

import typer

import tenfold
from tenfold.cli._flags import flags_of, in_panel, with_flags
from tenfold.cli._shared import (
    Budget,
    Calibration,
    Config,
    Example,
    Json,
    MaybeSource,
    Threads,
    Weights,
    open_calibration,
    open_source,
    open_task,
    running,
)
from tenfold.cli._tables import show_plan
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import make_recipe
from tenfold.errors import bad_value
from tenfold.machine.files import check_free
from tenfold.machine.processes import world
from tenfold.settings import PlanSettings
from tenfold.settings.fields import fields_of
from tenfold.store.folder import write_plan
from tenfold.store.plan_file import plan_to_json

Out = Annotated[Optional[str], typer.Option(help="Write the plan to this new JSON file.")]  # noqa: UP045
Agreement = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(
        help="In place of a budget: the smallest network that keeps this share of the original's "
        "decisions, as 0.98."
    ),
]
Cost = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="What --agreement makes small: params, macs or bytes; params by default."),
]
SETTINGS = [name for name in fields_of(PlanSettings) if name != "refine"]  # nothing is built
FLAGS = {
    "source": MaybeSource,
    "budget": Budget,
    "agreement": Agreement,
    "cost": Cost,
    "weights": Weights,
    "example": Example,
    "out": Out,
    "threads": Threads,
    **in_panel("Plan", {"calibration": Calibration, **flags_of(PlanSettings, *SETTINGS)}),
}


@with_flags(FLAGS)
def plan(flags: Mapping[str, Any], config: Config = None, json: Json = False) -> None:
    """Choose a format and ranks for every layer; show them, and write them down to edit.

    [bold]Examples[/]

      tenfold plan demo --budget params=0.2

      tenfold plan net.py:make --budget params=54k,macs=0.5 --out plan.json

      tenfold plan demo --agreement 0.98
    """
    agreement, cost, out = (flags[name] for name in ("agreement", "cost", "out"))
    flags = {name: flag for name, flag in flags.items() if name not in ("agreement", "cost")}
    check_one(flags["budget"], agreement, cost)
    recipe = make_recipe(flags, config, ("source",) if agreement else ("source", "budget"))
    if out:  # a recipe names the directory of a run
        check_free(out)
    loaded = open_source(recipe.source, recipe.weights, recipe.example)
    with running(recipe), drawn_progress(world().first) as progress:
        find: Any = tenfold.smallest if agreement else tenfold.plan
        chosen = find(
            loaded.model,
            loaded.example,
            agreement or recipe.budget,
            **({"cost": cost} if cost else {}),
            planning=recipe.planning,
            calibration=open_calibration(recipe),
            **open_task(recipe),
            progress=progress,
        )
    if not world().first:
        return
    if out:
        write_plan(chosen, out)
    show_plan(console(json), chosen)
    if json:
        say_json(plan_to_json(chosen))


def check_one(budget: str | None, agreement: float | None, cost: str | None) -> None:
    """Raises InputError for flags that do not go together."""
    if budget and agreement:
        raise bad_value("A plan needs a budget or an agreement", "both", "leave one of them out")
    if cost and not agreement:
        raise bad_value("--cost needs --agreement", "none", "name the cost in --budget")
