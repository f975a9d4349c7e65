"""Regression: plain values, of one or many tensors."""

from __future__ import annotations

from tenfold.tasks._base import TASKS, Task, bare


class Regression(Task):
    """Squared errors, each tensor in units of its own size."""

    name = "regression"


TASKS.add("regression", bare("regression", Regression))
