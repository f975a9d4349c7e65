"""How many inputs an amount of work pays for: fixed amounts, so that plans are alike anywhere."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tenfold.data.augment import is_volume
from tenfold.values import Survey

LEAST = 8
VOLUMES = 2  # at least: one shows a layer as much as many images
WORK = 1e12  # multiply-accumulates that making inputs may take, some half a minute of two cores
READING = 1e12  # and that looking at some may take


def per_input(survey: Survey, example: Any) -> float:
    """Multiply-accumulates of one input's forward pass."""
    batch = len(example) if isinstance(example, Tensor) and example.ndim else 1
    return survey.totals["macs"] / max(1, batch)


def least_of(example: Any) -> int:
    """The fewest inputs that say something."""
    return VOLUMES if is_volume(example) else LEAST


def affordable(work: float, passes: float, survey: Survey, example: Any, most: int) -> int:
    """As many inputs, each seen in so many passes, as the work pays for; never fewer than say
    something."""
    each = max(passes * per_input(survey, example), 1.0)
    return int(min(most, max(least_of(example), work / each)))
