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
    """Milliseconds a forward pass: median, and the 10th and 90th percentile."""

    median: float
    low: float
    high: float


def interleave(
    calls: Mapping[str, Callable[[], Any]], runs: int, warmup: int, seconds: float = float("inf")
) -> dict[str, Timing]:
    """Time the calls in turn, ``runs`` times each after ``warmup`` rounds; fewer times, but at
    least a few, once ``seconds`` have passed."""
    return {k: summarise(times) for k, times in take_turns(calls, runs, warmup, seconds).items()}


def take_turns(
    calls: Mapping[str, Callable[[], Any]], runs: int, warmup: int, seconds: float = float("inf")
) -> dict[str, list[float]]:
    """The milliseconds of every run."""
    seen: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds
    for turn in range(runs + warmup):
        for name, run in calls.items():
            start = time.perf_counter()
            run()
            if turn >= warmup:
                seen[name].append(1e3 * (time.perf_counter() - start))
        if turn - warmup + 1 >= LEAST_RUNS and time.perf_counter() > until:
            break
    return seen


def summarise(times: Sequence[float]) -> Timing:
    """Median and spread of a series."""
    tenths = quantiles(times, n=10) if len(times) > 1 else [times[0]] * 9
    return Timing(median(times), tenths[0], tenths[-1])
