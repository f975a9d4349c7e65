"""Time of one forward pass on an engine: runs interleaved, threads pinned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tenfold.costs._measured import MEASURED, MeasuredCost
from tenfold.machine.timing import Run, clock
from tenfold.values import Site

WIDE = 64  # channels on both sides from which a rank of 16 more is a small step


class Latency(MeasuredCost):
    """Milliseconds; ratios are taken from the time that the process was at work."""

    name = "latency"
    noun = "time"
    unit = "ms"
    units: ClassVar[Mapping[str, float]] = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    amount = "a time"
    sample = "3ms@onnxruntime"
    gain = "faster"
    decimals = 3

    def meter(self, run: Run) -> tuple[float, float]:
        """By the clock."""
        return clock(run)

    def step(self, site: Site) -> int:
        """Convolution kernels compute whole vectors of channels: a rank of 24 takes the time of 32
        where vectors hold 16 floats (``benchmarks/claims/rank_steps.py``)."""
        return 16 if min(site.group.in_channels, site.group.out_channels) >= WIDE else 8


MEASURED.add("latency", Latency())
