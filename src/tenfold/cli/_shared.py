"""What several commands share: flags that are no settings, each with its help; and what they do
alike with source, calibration, task and threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console

from tenfold.cli._terminal import console
from tenfold.cli.recipe import Recipe
from tenfold.errors import Interrupted, TenfoldError, bad_value
from tenfold.machine.processes import torch_threads
from tenfold.sources import Loaded, open_data, open_function, open_model

FORMS = (
    "[bold]demo[/], timm:NAME, torchvision:NAME, hf:NAME, hf:path/to/folder, a directory that "
    "tenfold wrote, path/to/file.onnx, or path/to/file.py:function"
)
Source = Annotated[
    str,
    typer.Argument(
        help=f"{FORMS} that returns a model or (model, example).",
        metavar="SOURCE",
    ),
]
MaybeSource = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation on Python 3.10
    typer.Argument(
        help=f"{FORMS}; may stand in the recipe.",
        metavar="SOURCE",
    ),
]
Weights = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Weights of the model: a safetensors file, the index or the folder of several, a file "
        "of torch.save with tensors alone; or random, for a try without trained ones."
    ),
]
Example = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Shape of an input, such as 1x3x224x224; by default the source's own."),
]
Budget = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="What may be kept at most: params=0.2 (a share), params=54k, macs=0.5, "
        "bytes=1MB, latency=0.5, latency=3ms@onnxruntime; several joined by commas."
    ),
]
Quality = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="A measure of your own, file.py:function of (output, batch), higher is "
        "better; accuracy by default."
    ),
]
Calibration = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Real inputs to sense the network on in place of made ones: demo, or "
        "path/to/file.py:function of batches or of one tensor; labels are not looked at."
    ),
]
Threads = Annotated[
    Optional[int], typer.Option(help="Threads to use; all cores by default.", min=1)  # noqa: UP045
]
Config = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="A recipe, YAML with the same names as the flags; flags win."),
]
Json = Annotated[
    bool, typer.Option("--json", help="The last line on standard output is one JSON object.")
]


def open_source(source: str, weights: str | None = None, example: str | None = None) -> Loaded:
    """The network and its example; what was done to make weights fit is told."""
    loaded = open_model(source, weights, example)
    for note in loaded.notes:
        console(machine=True).print(note)
    return loaded


def open_calibration(recipe: Recipe) -> Iterable[Any] | None:
    """The real inputs to sense on, where the recipe names some."""
    return open_data(recipe.calibration, "train") if recipe.calibration else None


def open_task(recipe: Recipe) -> dict[str, Any]:
    """The task as an argument, where the recipe names a function for it."""
    text = recipe.planning.task or ""
    return {"task": open_function(text)} if ".py:" in text else {}


@contextmanager
def running(recipe: Recipe) -> Iterator[None]:
    """With the recipe's number of threads, or a thread a core."""
    if recipe.threads is not None and recipe.threads < 1:
        raise bad_value("threads must be 1 or more", recipe.threads, "leave them out")
    try:
        with torch_threads(recipe.threads or cores()):
            yield
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted; nothing half-done is left, and where a fine-tuning had begun the same "
            "command goes on from its last checkpoint."
        ) from None


def cores() -> int:
    """Cores this process may use, a fair part of them where several were launched here."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    count = len(allowed(0)) if allowed else os.cpu_count() or 1
    return max(1, count // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def say_noted(out: Console, note: Callable[[], Path]) -> None:
    """Put what was measured into a report, and say so; what was measured counts without it."""
    try:
        out.print(f"The same is in {note()} now.")
    except TenfoldError as error:
        out.print(f"It is not in the report: {error}")
