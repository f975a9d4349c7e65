"""Compare models in PyTorch eager in one interleaved run, at several batch sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from tenfold.bench.interleave import Timing, interleave
from tenfold.bench.tile import tile
from tenfold.engines import ENGINES
from tenfold.errors import bad_value
from tenfold.progress import Progress, silent
from tenfold.threads import torch_threads

FORMATS = {"contiguous": "eager-nchw", "channels_last": "eager"}

__all__ = ["Latency", "Timing", "compare_latency", "interleave", "tile"]


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
    engine = ENGINES[FORMATS[memory_format]]
    packages = {name: engine.package(model, example) for name, model in models.items()}
    timings = {}
    with torch_threads(threads):
        for done, size in enumerate(batches):
            inputs = tile(example, size)
            calls = {name: engine.load(x, inputs, threads) for name, x in packages.items()}
            timings[size] = interleave(calls, runs, warmup)
            progress("timing", done + 1, len(batches))
    return Latency("PyTorch eager", threads, memory_format, runs, timings)
