"""``tenfold compress``: the main job, from a source and a budget to a saved model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

import tenfold
from tenfold.cli._options import (
    Budget,
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
)  # fmt: skip
from tenfold.cli._run import plan_arguments, running
from tenfold.cli._tables import show_plan, show_report
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.errors import bad_value
from tenfold.recipe import Recipe, make_recipe, write_recipe
from tenfold.report import report_to_json
from tenfold.saving import check_free, save
from tenfold.sources import Loaded, open_data, open_model
from tenfold.tune import TuneSettings

DEFAULT_EPOCHS = TuneSettings().epochs
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Batches to fine-tune on: demo, or path/to/file.py:function."),
]
Validation = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Batches on which the best epoch is chosen: path/to/file.py:function."),
]
Epochs = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help=f"Passes over the data, {DEFAULT_EPOCHS} by default; 0 trains nothing."),
]
Rate = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(help="Peak learning rate; by default it follows how much was removed."),
]
Out = Annotated[Optional[str], typer.Option(help="A new directory for the result.")]  # noqa: UP045


def compress(
    source: MaybeSource = None,
    budget: Budget = None,
    data: Data = None,
    validation: Validation = None,
    epochs: Epochs = None,
    rate: Rate = None,
    weights: Weights = None,
    example: Example = None,
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
    """Make the network smaller, fine-tune it if there is data, and save it with its report.

    An interrupted fine-tuning goes on where it stopped when the same command is run again.

    [bold]Examples[/]

      tenfold compress demo --budget params=0.2,macs=0.5 --out small

      tenfold compress demo --budget params=0.2 --data demo --epochs 3 --out small

      tenfold compress net.py:make --data net.py:loader --config recipe.yaml --out small
    """
    recipe = make_recipe(
        {
            "source": source, "budget": budget, "data": data, "validation": validation,
            "epochs": epochs, "rate": rate, "weights": weights, "example": example,
            "formats": formats, "include": include, "exclude": exclude, "round_to": round_to,
            "latency_table": latency_table, "method": method, "seed": seed, "threads": threads,
            "out": out,
        },
        config,
    )  # fmt: skip
    if not recipe.out:
        raise bad_value("A run needs an output directory", "none", "pass --out DIR")
    target = check_free(recipe.out)
    loaded = open_model(recipe.source, recipe.weights, recipe.example)
    checkpoint = target.with_name(f"{target.name}.checkpoint")
    with running(recipe), drawn_progress() as progress:
        result = tenfold.compress(
            loaded.model, loaded.example, recipe.budget, **plan_arguments(recipe),
            **tune_arguments(recipe, checkpoint), progress=progress,
        )  # fmt: skip
    save(result, target, extra={"recipe.yaml": write_recipe(recipe)})
    shutil.rmtree(checkpoint, ignore_errors=True)
    show(recipe, loaded, result, json)


def tune_arguments(recipe: Recipe, checkpoint: Path) -> dict[str, Any]:
    """The recipe's part of the fine-tuning; nothing without data."""
    if recipe.data is None:
        for name in ("epochs", "rate", "validation"):
            if getattr(recipe, name) is not None:
                raise bad_value(f"--{name} needs --data", "no data", "pass --data too")
        return {}
    settings = TuneSettings(seed=recipe.seed, rate=recipe.rate)
    if recipe.epochs is not None:
        settings = replace(settings, epochs=recipe.epochs)
    held_out = open_data(recipe.validation, "train") if recipe.validation else None
    return {
        "data": open_data(recipe.data, "train"), "validation": held_out, "tuning": settings,
        "checkpoint": checkpoint,
    }  # fmt: skip


def show(recipe: Recipe, loaded: Loaded, result: tenfold.Result, json: bool) -> None:
    """The plan, the recount and where everything is."""
    out = console(json)
    show_plan(out, result.plan)
    out.print()
    show_report(out, result.report)
    out.print(f"Saved in {recipe.out}; open {recipe.out}/report.html for the picture.")
    if json:
        say_json({"out": recipe.out, **report_to_json(result.report)})
