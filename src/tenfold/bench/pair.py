"""Two networks timed in one interleaved run: what a latency limit is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from tenfold.deploy.prepare import prepare
from tenfold.machine.interleave import Timing, interleave
from tenfold.machine.threads import torch_threads
from tenfold.runtimes import check_available

RUNS, WARMUP, SECONDS = 60, 3, 8.0


@dataclass(frozen=True)
class Timed:
    """Before and after; ``ratio`` is after / before of the time the process was at work."""

    engine: str
    threads: int
    before: Timing
    after: Timing
    ratio: float


def time_pair(
    before: nn.Module, after: nn.Module, example: Any, engine: str, threads: int
) -> Timed:
    """Time two networks in turn on an engine."""
    runtime = check_available(engine)
    with torch_threads(threads):
        return timed_pair(
            prepare(runtime, before, example, threads),
            prepare(runtime, after, example, threads),
            engine,
            threads,
        )


def timed_pair(
    before: Callable[[], Any], after: Callable[[], Any], engine: str, threads: int
) -> Timed:
    """The same for two calls."""
    with torch_threads(threads):
        found = interleave({"before": before, "after": after}, RUNS, WARMUP, SECONDS)
    first, second = found["before"], found["after"]
    return Timed(engine, threads, first, second, second.busy / first.busy)
