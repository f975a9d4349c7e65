"""How a stage tells the outside how far it is; drawing it is the command line's business."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, steps done, steps in all


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


class Clock:
    """Seconds a stage, lap by lap."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage; the next begins."""
        now = time.perf_counter()
        self.laps[stage], self._since = now - self._since, now
