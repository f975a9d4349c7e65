"""Time or meter calls in turn, A B A B, so that a drifting machine hits all alike; and what a
measurement was taken on."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

import torch

T = TypeVar("T")
Run = Callable[[], Any]
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
    calls: Mapping[str, Run], runs: int, warmup: int, seconds: float = float("inf")
) -> dict[str, Timing]:
    """Time the calls in turn, ``runs`` times each after ``warmup`` rounds; fewer times, but at
    least a few, once ``seconds`` have passed."""
    taken = in_turn(clock, calls, runs, warmup, seconds)
    return {name: summarise(*zip(*pairs)) for name, pairs in taken.items()}


def in_turn(
    meter: Callable[[Run], T],
    calls: Mapping[str, Run],
    runs: int,
    warmup: int,
    seconds: float = float("inf"),
) -> dict[str, list[T]]:
    """What a meter says of each run of each call, as ``interleave``."""
    taken: dict[str, list[T]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds
    for turn in range(runs + warmup):
        for name, run in calls.items():
            amount = meter(run)
            if turn >= warmup:
                taken[name].append(amount)
        if turn - warmup + 1 >= LEAST_RUNS and time.perf_counter() > until:
            break
    return taken


def clock(run: Run) -> tuple[float, float]:
    """Milliseconds that one run takes, and those of them that the process was at work."""
    start, work = time.perf_counter(), time.process_time()
    run()
    worked, took = time.process_time() - work, time.perf_counter() - start
    return 1e3 * took, 1e3 * min(took, worked)


def summarise(wall: Sequence[float], busy: Sequence[float]) -> Timing:
    """Median and spread of a series."""
    if len(wall) < 2:
        return Timing(wall[0], wall[0], wall[0], busy[0])
    tenths = quantiles(wall, n=10, method="inclusive")
    return Timing(median(wall), tenths[0], tenths[-1], quantiles(busy, n=4, method="inclusive")[0])


def environment() -> dict[str, Any]:
    """What the numbers were taken on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
    }


def processor() -> str:
    """The processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
