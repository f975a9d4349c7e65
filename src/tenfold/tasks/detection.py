"""Detection: an image has any number of boxes, in any order."""

from __future__ import annotations

from torch import Tensor

from tenfold.tasks._base import TASKS, Evidence, Task, bare
from tenfold.tasks._gaps import relative_gap, set_gap


class Detection(Task):
    """What is found is compared as a set: each row with the nearest of the other network's. Maps of
    three modes and more, which come before the choice of boxes, are compared place by place."""

    name = "detection"

    def claims(self, seen: Evidence) -> bool:
        """An image each with boxes in it."""
        return seen.listed and any(name.split(".")[-1] == "boxes" for name in seen.parts)

    def gap(self, mine: Tensor, goal: Tensor, main: bool) -> Tensor:
        """Sets where the shape allows."""
        alike = mine.ndim == goal.ndim and mine.shape[1:] == goal.shape[1:]
        return set_gap(mine, goal) if alike and 1 <= goal.ndim <= 2 else relative_gap(mine, goal)


TASKS.add("detection", bare("detection", Detection))
