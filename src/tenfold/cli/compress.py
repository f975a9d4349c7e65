"""``tenfold compress``: the main job, from a source and a budget to a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
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
    Quality,
    Threads,
    Weights,
    open_calibration,
    open_source,
    open_task,
    running,
)
from tenfold.cli._stream import FLAGS as STREAM
from tenfold.cli._stream import check_no_stream, compress_stream
from tenfold.cli._terminal import drawn_progress
from tenfold.cli.keep import keep, say_kept
from tenfold.cli.recipe import TUNING, Recipe, make_recipe
from tenfold.cli.write_command import write_command
from tenfold.data.made import asks_for_made
from tenfold.errors import bad_value
from tenfold.machine.files import check_free
from tenfold.machine.processes import world
from tenfold.pipeline.resume import forget
from tenfold.settings import PlanSettings
from tenfold.sources import open_data, open_function
from tenfold.training import TuneSettings
from tenfold.training.read_settings import OTHERS

Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Batches to fine-tune on: demo, or path/to/file.py:function (100 unlabelled inputs "
        "in one tensor will do); without data, synthetic or synthetic:4096 makes that many inputs."
    ),
]
Validation = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Batches on which the best epoch is chosen: path/to/file.py:function."),
]
Loss = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="The task's loss, file.py:function of (output, batch); cross-entropy by default."
    ),
]
Tuning = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="More settings, joined by commas, such as precision=bf16,channels_last=true,"
        f"ema=0.999. Any of {', '.join(OTHERS)}."
    ),
]
Out = Annotated[Optional[str], typer.Option(help="A new directory for the result.")]  # noqa: UP045
FLAGS = {
    "source": MaybeSource,
    "budget": Budget,
    "weights": Weights,
    "example": Example,
    "out": Out,
    "threads": Threads,
    **in_panel("Larger than memory", STREAM),
    **in_panel("Plan", {"calibration": Calibration, **flags_of(PlanSettings)}),
    **in_panel(
        "Fine-tuning",
        {
            "data": Data,
            "validation": Validation,
            "loss": Loss,
            "quality": Quality,
            **flags_of(TuneSettings, *TUNING),
            "tuning": Tuning,
        },
    ),
}


@with_flags(FLAGS)
def compress(flags: Mapping[str, Any], config: Config = None, json: Json = False) -> None:
    """Make the network smaller, fine-tune it if there is data, and save it with its report.

    An interrupted fine-tuning goes on where it stopped when the same command is run again.

    [bold]Examples[/]

      tenfold compress demo --budget params=0.2,macs=0.5 --out small

      tenfold compress demo --budget params=0.2 --data demo --epochs 3 --out small

      tenfold compress timm:resnet18 --budget params=0.5 --out small

      tenfold compress hf:path/to/folder --budget params=0.7 --out small

      tenfold compress net.py:make --data net.py:loader --config recipe.yaml --out small

      tenfold compress --stream path/to/folder --budget params=0.5 --out small
    """
    if flags["stream"]:
        return compress_stream({**flags, "config": config}, json)
    check_no_stream(flags)
    recipe = make_recipe(flags, config)
    if not recipe.out:
        raise bad_value("A run needs an output directory", "none", "pass --out DIR")
    target = check_free(recipe.out)
    loaded = open_source(recipe.source, recipe.weights, recipe.example)
    checkpoint = target.with_name(f"{target.name}.checkpoint")
    with running(recipe), drawn_progress(world().first) as progress:
        result = tenfold.compress(
            loaded.model,
            loaded.example,
            recipe.budget,
            planning=recipe.planning,
            calibration=open_calibration(recipe),
            **open_task(recipe),
            **tune_arguments(recipe, checkpoint),
            progress=progress,
        )
    if not world().first:
        return
    result = replace(result, report=replace(result.report, command=write_command(recipe)))
    keep(result, target, recipe, loaded.files)
    if recipe.data is not None:
        forget(checkpoint)
    say_kept(result, recipe.out, json)


def tune_arguments(recipe: Recipe, checkpoint: Path) -> dict[str, Any]:
    """The recipe's part of the fine-tuning; nothing without data."""
    if recipe.data is None:
        check_no_tuning(recipe)
        return {}
    data = recipe.data if asks_for_made(recipe.data) else open_data(recipe.data, "train")
    held_out = open_data(recipe.validation, "train") if recipe.validation else None
    return {
        "data": data,
        "validation": held_out,
        "checkpoint": checkpoint,
        "tuning": recipe.tuning,
        "loss": open_function(recipe.loss) if recipe.loss else None,
        "quality": open_function(recipe.quality) if recipe.quality else None,
    }


def check_no_tuning(recipe: Recipe) -> None:
    """Raises InputError for a flag of the fine-tuning, which would have no effect."""
    names = [name for name in ("validation", "loss", "quality") if getattr(recipe, name)]
    names += [name if name in TUNING else "tuning" for name in recipe.tuning]
    if names:
        flag = f"--{names[0].replace('_', '-')}"
        raise bad_value(f"{flag} needs --data", "no data", "pass --data too")
