"""A task as it is stated -> the task."""

from __future__ import annotations

from tenfold.errors import bad_value
from tenfold.tasks._base import TASKS, Distance, Task
from tenfold.tasks._own import Own

OWN = "function "  # how the name of a task begins that a function states


def read_task(stated: str | Distance) -> Task:
    """``"classes:-1"``, another name, or a function ``distance(output, original_output)``.

    Raises InputError for anything else.
    """
    if callable(stated):
        return Own(stated, f"{OWN}{getattr(stated, '__name__', type(stated).__name__)}")
    word, _, argument = stated.partition(":")
    if word not in TASKS:
        raise bad_value(
            "task must be a known name, or a function of (output, original_output)",
            repr(stated),
            f"use {', '.join(TASKS)}, or leave it out to have it guessed",
        )
    return TASKS[word](argument)


def recall_task(name: str) -> Task | None:
    """The task that a plan tells; of one that a function stated, only what is drawn is known.
    None where nothing is told."""
    if not name:
        return None
    return Own(None, name) if name.startswith(OWN) else read_task(name)
