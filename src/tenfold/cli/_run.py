"""What the commands that plan and compress do alike."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tenfold.cli._terminal import console
from tenfold.cli.recipe import Recipe
from tenfold.errors import Interrupted, bad_value
from tenfold.machine.processes import torch_threads
from tenfold.sources import Loaded, open_data, open_function, open_model


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
