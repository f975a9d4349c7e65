"""What the commands that plan and compress do alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenfold.cli.recipe import Recipe
from tenfold.errors import Interrupted, bad_value
from tenfold.machine.threads import torch_threads
from tenfold.sources import open_data


def plan_arguments(recipe: Recipe) -> dict[str, Any]:
    """The recipe's part of the arguments of ``tenfold.plan``."""
    real = recipe.calibration
    return {
        "calibration": open_data(real, "train") if real else None,
        "formats": recipe.formats or None,
        "include": recipe.include,
        "exclude": recipe.exclude,
        "round_to": recipe.round_to,
        "latency_table": recipe.latency_table,
        "method": recipe.method,
        "seed": recipe.seed,
    }


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
    found = len(allowed(0)) if allowed else os.cpu_count() or 1
    return max(1, found // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def read_mode(text: str) -> int | None:
    """``--class-mode``: a mode of a tensor, or None for ``none``."""
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_value("--class-mode must be a number or none", repr(text), "use 1") from None
