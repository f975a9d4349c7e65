"""One amount of work for measuring damages -> on how many inputs, and at how many rows a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from tenfold.data.apart import thinned
from tenfold.sense import Sensed
from tenfold.sense.work import affordable, least_of, per_input
from tenfold.values import Site, Survey

MEASURING = 4e11  # multiply-accumulates that measuring damages may take
PASSES = 16  # a layer, half of that without a kernel
MOST = 64  # inputs that damages are measured on


@dataclass(frozen=True)
class Measuring:
    """The inputs, in batches, and the rows of a layer that are measured on them; None for all."""

    batches: Sequence[Any] = ()
    rows: int | None = None


def afford(model: nn.Module, example: Any, survey: Survey, sensed: Sensed) -> Measuring:
    """As many of the inputs apart as every layer can be measured on within ``MEASURING``; where
    even the least inputs cost too much, fewer rows. No batches where no inputs are apart."""
    if not sensed.apart:
        return Measuring()
    each, least = per_input(survey, example), least_of(example)
    passes = sum(map(passes_of, survey.sites))
    count = affordable(MEASURING, passes, survey, example, MOST)
    batches = thinned(model, sensed.apart, count)
    many = sum(not site.lone for site in survey.sites)
    rows = MEASURING / (least * each * max(1, many))
    return Measuring(batches, None if rows >= PASSES else int(rows))


def passes_of(site: Site) -> int:
    """Passes of the network that a layer takes; a depthwise one has a row or two."""
    if site.lone:
        return min(site.kernel)
    return PASSES if site.window > 1 else PASSES // 2
