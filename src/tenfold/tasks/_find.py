"""Which task it is: the one that is stated by name or by a function, or the one that an output, and
labels if there are any, make clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tenfold.errors import InputError, bad_value
from tenfold.tasks._base import TASKS, Distance, Evidence, Masks, Task
from tenfold.tasks._outputs import parts_of

OWN = "function "  # how the name of a task begins that a function states
OTHERWISE = "regression"  # a softmax hides what is common to all outputs; this hides nothing


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


class Own(Task):
    """Outputs are as far apart as the function says; what is drawn is a random projection."""

    told_by_name = False

    def __init__(self, function: Distance | None, name: str) -> None:
        self.function, self.name = function, name

    def distance(self, output: Any, original: Any, masks: Masks | None = None) -> float:
        """The value of the function, 0 or more. Raises InputError for anything else."""
        if self.function is None:
            return super().distance(output, original, masks)
        rule = f"The {self.name} must give one number for two outputs"
        way = "check what it computes"
        try:
            value = torch.as_tensor(self.function(output, original))
            if value.numel() != 1:
                raise bad_value(rule, f"a tensor of shape {tuple(value.shape)}", way)
            return float(value)
        except InputError:
            raise
        except Exception as error:
            raise bad_value(rule, f"{type(error).__name__}: {error}", way) from error


@dataclass(frozen=True)
class Purpose:
    """What is known of the task before an output is seen: the task itself where it is stated, else
    labels of a batch, and whether the output may be one of ``classes``."""

    stated: Task | None = None
    labels: Any = None
    classes: bool = True

    def task(self, model: nn.Module, output: Any, labels: Any = None) -> Task:
        """The task, stated or guessed; ``labels`` are those of this very output."""
        labels = labels if self.labels is None else self.labels
        return self.stated or guess_task(model, output, labels, classes=self.classes)


def guess_task(model: nn.Module, output: Any, labels: Any = None, *, classes: bool = True) -> Task:
    """The first task that claims the output; regression where none does."""
    seen = Evidence(model, output, labels, parts_of(output))
    tasks = (make("") for make in TASKS.values())
    fitting = (task for task in tasks if classes or task.class_mode is None)
    return next((task for task in fitting if task.claims(seen)), TASKS[OTHERWISE](""))
