"""``tenfold evaluate``: the accuracy of a saved model and of its original, on the same data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from torch import nn

from tenfold.cli._shared import Example, Json, Threads, Weights, open_source, running, say_noted
from tenfold.cli._shared import Quality as Asked
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import Recipe, assemble, read_recipe
from tenfold.errors import bad_value
from tenfold.machine.progress import Progress
from tenfold.report import Quality
from tenfold.report.say import say_quality
from tenfold.sources import open_data, open_function
from tenfold.store.folder import load
from tenfold.store.notes import note_quality
from tenfold.training.score import quality_over, top_1
from tenfold.values import Mean

Folder = Annotated[str, typer.Argument(help="A directory that tenfold compress wrote.")]
Data = Annotated[
    str, typer.Option(help="Labelled batches: demo (its test images), or path/to/file.py:function.")
]
Source = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The original network; by default the one named in the saved recipe."),
]


def evaluate(
    folder: Folder,
    data: Data,
    source: Source = None,
    weights: Weights = None,
    example: Example = None,
    quality: Asked = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Measure top-1 accuracy, or a quality of your own, before and after on the same batches.

    [bold]Examples[/]

      tenfold evaluate small --data demo

      tenfold evaluate small --data net.py:test_loader --json
    """
    recipe = original_of(folder, source, weights, example)
    original = open_source(recipe.source, recipe.weights, recipe.example).model
    model = load(folder, original)
    batches = open_data(data, "test")
    with running(Recipe(threads=threads)), drawn_progress() as progress:
        mode = recipe.class_mode
        before = judge(original, batches, quality, mode, labelled(progress, "original"))
        after = judge(model, batches, quality, mode, labelled(progress, "compressed"))
    measure, unit = (name_of(quality), "") if quality else ("top-1", "%")
    show(console(json), folder, Quality(measure, unit, name_of(data), before, after))
    if json:
        say_json(
            {
                "quality" if quality else "accuracy": {
                    "before": before.value,
                    "after": after.value,
                },
                "samples": after.samples,
                "standard_error": {"before": before.spread, "after": after.spread},
            }
        )


def show(out: Console, folder: str, quality: Quality) -> None:
    """The quality in words, and in the report of the directory where that can be written."""
    out.print(f"{say_quality(quality)}.")
    say_noted(out, lambda: note_quality(folder, quality))


def name_of(source: str) -> str:
    """``file.py:function`` without the folder it lies in."""
    return Path(source).name


def judge(
    model: nn.Module,
    batches: Iterable[Any],
    quality: str | None,
    mode: int | None,
    progress: Progress,
) -> Mean:
    """Accuracy, or the mean of the user's function."""
    if quality is None and mode is not None:
        return top_1(model, batches, mode, progress)
    if quality is None:
        raise bad_value("Outputs without classes need --quality", "none", "pass one")
    mean = quality_over(model, batches, open_function(quality), progress)
    if math.isnan(mean.value):
        raise bad_value("The quality must be a number", "NaN", "try it on one batch alone")
    return mean


def original_of(
    folder: str, source: str | None, weights: str | None, example: str | None = None
) -> Recipe:
    """Where the original comes from: the flags, or else the saved recipe."""
    path = Path(folder) / "recipe.yaml"
    saved = read_recipe(path) if path.is_file() else {}
    flags = {"source": source, "weights": weights, "example": example}
    saved |= {name: value for name, value in flags.items() if value is not None}
    if "source" not in saved:
        raise bad_value(
            "A saved model needs its original network",
            f"no recipe.yaml in {folder}",
            "pass --source, as it was compressed",
        )
    return assemble({name: saved[name] for name in (*flags, "class_mode") if name in saved})


def labelled(progress: Progress, stage: str) -> Progress:
    """The same progress under another name."""
    return lambda _, done, total: progress(stage, done, total)
