"""An output, and labels if there are any -> the task, where it is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from tenfold.tasks._base import TASKS, Evidence, Task
from tenfold.tasks._parts import parts_of

OTHERWISE = "regression"  # a softmax hides what is common to all outputs; this hides nothing


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
