"""Honest latency: interleaved runs, threads pinned and stated, medians with their spread."""

from tenfold.bench.compare import Cell, Measured, compare, engines_at_hand
from tenfold.bench.latency import Latency, Timing, compare_latency
from tenfold.bench.layers import LayerTime, time_layers
from tenfold.bench.pair import Timed, time_pair, timed_pair

__all__ = [
    "Cell", "Latency", "LayerTime", "Measured", "Timed", "Timing", "compare", "compare_latency",
    "engines_at_hand", "time_layers", "time_pair", "timed_pair",
]  # fmt: skip
