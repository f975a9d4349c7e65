"""Honest latency: interleaved runs, threads pinned and stated, medians with their spread."""

from tenfold.bench.compare import Cell, MeasuredModel, cells_from_json, compare, engines_at_hand
from tenfold.bench.layers import LayerTime, time_layers
from tenfold.machine.timing import Timing

__all__ = [
    "Cell",
    "LayerTime",
    "MeasuredModel",
    "Timing",
    "cells_from_json",
    "compare",
    "engines_at_hand",
    "time_layers",
]
