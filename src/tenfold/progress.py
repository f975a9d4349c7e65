"""How a stage tells the outside how far it is; drawing it is the command line's business."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, steps done, steps in all


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
