"""Time calls in turn, A B A B, so that a drifting machine hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

LEAST_RUNS = 9  # whatever the time they take


@dataclass(frozen=True)
class Timing:
    """Milliseconds a forward pass: median, and the 10th and 90th percentile.

    ``busy`` is the lower quartile of the time that the process was at work, at most the run's
    own: a machine with other things to do lengthens it far less, so ratios are taken from it.
    """

    median: float
    low: float
    high: float
    busy: float


def interleave(
    calls: Mapping[str, Callable[[], Any]], runs: int, warmup: int, seconds: float = float("inf")
) -> dict[str, Timing]:
    """Time the calls in turn, ``runs`` times each after ``warmup`` rounds; fewer times, but at
    least a few, once ``seconds`` have passed."""
    wall: dict[str, list[float]] = {name: [] for name in calls}
    busy: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds
    for turn in range(runs + warmup):
        for name, run in calls.items():
            start, work = time.perf_counter(), time.process_time()
            run()
            worked, took = time.process_time() - work, time.perf_counter() - start
            if turn >= warmup:
                wall[name].append(1e3 * took)
                busy[name].append(1e3 * min(took, worked))
        if turn - warmup + 1 >= LEAST_RUNS and time.perf_counter() > until:
            break
    return {name: summarise(wall[name], busy[name]) for name in calls}


def summarise(wall: Sequence[float], busy: Sequence[float]) -> Timing:
    """Median and spread of a series."""
    if len(wall) < 2:
        return Timing(wall[0], wall[0], wall[0], busy[0])
    tenths = quantiles(wall, n=10, method="inclusive")
    return Timing(median(wall), tenths[0], tenths[-1], quantiles(busy, n=4, method="inclusive")[0])
