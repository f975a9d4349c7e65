"""``tenfold compress``: the main job, from a source and a budget to a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

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
    Quality,
    RoundTo,
    Seed,
    Threads,
    Weights,
)
from tenfold.cli._run import plan_arguments, read_mode, running
from tenfold.cli._tables import show_plan, show_report
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import Recipe, make_recipe, write_recipe
from tenfold.data.made import asks_for_made
from tenfold.errors import bad_value
from tenfold.machine.files import check_free
from tenfold.machine.processes import world
from tenfold.pipeline.resume import forget
from tenfold.report import report_to_json
from tenfold.sources import Loaded, open_data, open_function, open_model
from tenfold.store.folder import save
from tenfold.training import TuneSettings, read_settings

DEFAULT_EPOCHS = TuneSettings().epochs
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Batches to fine-tune on: demo, path/to/file.py:function (100 unlabelled "
        "inputs in one tensor will do), or synthetic for none, synthetic:4096 for more of it."
    ),
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
Loss = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="The task's loss, file.py:function of (output, batch); cross-entropy by default."
    ),
]
ClassMode = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Mode of the output that runs over classes, 1 by default, -1 for sequences; "
        "none for plain values."
    ),
]
Tuning = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="More settings of the fine-tuning, such as precision=bf16,channels_last=true,"
        "ema=0.999,accumulate=2: the fields of TuneSettings, joined by commas."
    ),
]
Refine = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Without data: layers (default) fits layer by layer, end-to-end also trains "
        "ranks and factors together."
    ),
]
Out = Annotated[Optional[str], typer.Option(help="A new directory for the result.")]  # noqa: UP045


def compress(
    source: MaybeSource = None,
    budget: Budget = None,
    data: Data = None,
    validation: Validation = None,
    epochs: Epochs = None,
    rate: Rate = None,
    loss: Loss = None,
    quality: Quality = None,
    class_mode: ClassMode = None,
    tuning: Tuning = None,
    calibration: Calibration = None,
    weights: Weights = None,
    example: Example = None,
    formats: Formats = None,
    include: Include = None,
    exclude: Exclude = None,
    round_to: RoundTo = None,
    latency_table: LatencyTable = None,
    method: Method = None,
    refine: Refine = None,
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
            "source": source,
            "budget": budget,
            "data": data,
            "validation": validation,
            "epochs": epochs,
            "rate": rate,
            "loss": loss,
            "quality": quality,
            "class_mode": class_mode,
            "tuning": tuning,
            "calibration": calibration,
            "weights": weights,
            "example": example,
            "formats": formats,
            "include": include,
            "exclude": exclude,
            "round_to": round_to,
            "latency_table": latency_table,
            "method": method,
            "refine": refine,
            "seed": seed,
            "threads": threads,
            "out": out,
        },
        config,
    )
    if not recipe.out:
        raise bad_value("A run needs an output directory", "none", "pass --out DIR")
    target = check_free(recipe.out)
    loaded = open_model(recipe.source, recipe.weights, recipe.example)
    checkpoint = target.with_name(f"{target.name}.checkpoint")
    with running(recipe), drawn_progress(world().first) as progress:
        result = tenfold.compress(
            loaded.model,
            loaded.example,
            recipe.budget,
            **plan_arguments(recipe),
            **tune_arguments(recipe, checkpoint),
            refine=recipe.refine,
            progress=progress,
        )
    if not world().first:
        return
    save(result, target, extra={"recipe.yaml": write_recipe(recipe)})
    if recipe.data is not None:
        forget(checkpoint)
    show(recipe, loaded, result, json)


def tune_arguments(recipe: Recipe, checkpoint: Path) -> dict[str, Any]:
    """The recipe's part of the fine-tuning; nothing without data."""
    if recipe.data is None:
        for name in ("epochs", "rate", "validation", "loss", "quality", "class_mode", "tuning"):
            if getattr(recipe, name) is not None:
                flag = f"--{name.replace('_', '-')}"
                raise bad_value(f"{flag} needs --data", "no data", "pass --data too")
        return {}
    data = recipe.data if asks_for_made(recipe.data) else open_data(recipe.data, "train")
    held_out = open_data(recipe.validation, "train") if recipe.validation else None
    return {
        "data": data,
        "validation": held_out,
        "checkpoint": checkpoint,
        "tuning": settings_of(recipe),
        "loss": open_function(recipe.loss) if recipe.loss else None,
        "quality": open_function(recipe.quality) if recipe.quality else None,
    }


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """The settings that were asked for; the others are the usual ones for the data."""
    given = {"rate": recipe.rate, "epochs": recipe.epochs, "seed": recipe.seed}
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if recipe.class_mode is not None:
        asked["class_mode"] = read_mode(recipe.class_mode)
    return asked | read_settings(recipe.tuning or "")


def show(recipe: Recipe, loaded: Loaded, result: tenfold.Result, json: bool) -> None:
    """The plan, the recount and where everything is."""
    out = console(json)
    show_plan(out, result.plan)
    out.print()
    show_report(out, result.report)
    out.print(f"Saved in {recipe.out}; open {recipe.out}/report.html for the picture.")
    if json:
        say_json({"out": recipe.out, **report_to_json(result.report)})
