"""Compare models in one interleaved run: A B A B, so that a drifting machine hits all alike."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.forward import call
from tenfold.progress import Progress, silent
from tenfold.threads import torch_threads

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Timing:
    """Milliseconds a forward pass: median, and the 10th and 90th percentile."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Latency:
    """Timings by batch size and model name, with the conditions they hold under."""

    engine: str
    threads: int
    memory_format: str
    runs: int
    timings: Mapping[int, Mapping[str, Timing]]

    def ratio(self, batch: int, before: str, after: str) -> float:
        """How many times faster ``after`` is than ``before``."""
        return self.timings[batch][before].median / self.timings[batch][after].median


def compare_latency(
    models: Mapping[str, nn.Module],
    example: Any,
    *,
    batches: Sequence[int] = (1, 32),
    threads: int = 1,
    memory_format: str = "channels_last",
    runs: int = 60,
    warmup: int = 5,
    progress: Progress = silent,
) -> Latency:
    """Time every model on the same inputs in PyTorch eager, run by run in turn.

    The first mode of every tensor in ``example`` is its batch and is tiled to each size. The
    models are copied, so their memory format stays what it was.
    """
    if memory_format not in FORMATS:
        raise bad_value("The memory format must be known", memory_format, " or ".join(FORMATS))
    copies = {name: _copy(model, memory_format) for name, model in models.items()}
    timings = {}
    with torch_threads(threads), torch.inference_mode():
        for done, size in enumerate(batches):
            inputs = tile(example, size, FORMATS[memory_format])
            calls = {name: _caller(model, inputs) for name, model in copies.items()}
            timings[size] = interleave(calls, runs, warmup)
            progress("timing", done + 1, len(batches))
    return Latency("PyTorch eager", threads, memory_format, runs, timings)


def interleave(calls: Mapping[str, Callable[[], Any]], runs: int, warmup: int) -> dict[str, Timing]:
    """Time the calls in turn, ``runs`` times each after ``warmup`` rounds."""
    seen: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(runs + warmup):
        for name, run in calls.items():
            start = time.perf_counter()
            run()
            if turn >= warmup:
                seen[name].append(1e3 * (time.perf_counter() - start))
    return {name: summarise(times) for name, times in seen.items()}


def summarise(times: Sequence[float]) -> Timing:
    """Median and spread of a series."""
    tenths = quantiles(times, n=10) if len(times) > 1 else [times[0]] * 9
    return Timing(median(times), tenths[0], tenths[-1])


def tile(example: Any, size: int, memory_format: torch.memory_format) -> Any:
    """The example with its first mode repeated to ``size``."""
    if isinstance(example, Mapping):
        return {key: tile(value, size, memory_format) for key, value in example.items()}
    if isinstance(example, (tuple, list)):
        return tuple(tile(value, size, memory_format) for value in example)
    if not isinstance(example, Tensor) or example.ndim == 0:
        return example
    repeats = -(-size // len(example))
    tiled = example.repeat(repeats, *(1 for _ in example.shape[1:]))[:size]
    return tiled.contiguous(memory_format=memory_format) if tiled.ndim == 4 else tiled


def _copy(model: nn.Module, memory_format: str) -> nn.Module:
    """A copy in evaluation mode and the memory format."""
    return copy.deepcopy(model).eval().to(memory_format=FORMATS[memory_format])  # type: ignore[call-overload, no-any-return]


def _caller(model: nn.Module, inputs: Any) -> Callable[[], Any]:
    """The forward pass as a call without arguments."""
    return lambda: call(model, inputs)
