"""Models in engines at batch sizes: time, memory and size, one frozen value a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tenfold.bench.memory import peak_growth
from tenfold.errors import as_bad_value, bad_value
from tenfold.machine.interleave import Timing, interleave
from tenfold.machine.progress import Progress, silent
from tenfold.machine.threads import torch_threads
from tenfold.network.arrays import first_tensor, gap
from tenfold.network.call import frozen_rng, run
from tenfold.network.inputs import resize
from tenfold.runtimes.engines import ENGINES, Engine, check_available

RUNS, WARMUP = 60, 5
SECONDS = 20.0  # a cell; slow networks get fewer runs


@dataclass(frozen=True)
class Measured:
    """One model in one engine: milliseconds a batch, peak growth of resident memory in bytes
    (None where the system does not tell), bytes on disk, and the largest difference from the
    model's output in PyTorch, as a share of that output's largest value."""

    timing: Timing
    memory: int | None
    bytes: int
    difference: float


@dataclass(frozen=True)
class Cell:
    """All models in one engine at one batch size, timed in turn."""

    engine: str
    label: str
    version: str
    threads: int
    batch: int
    models: Mapping[str, Measured]

    def ratio(self, before: str = "before", after: str = "after") -> float:
        """How many times faster ``after`` is than ``before``, by the medians."""
        return self.models[before].timing.median / self.models[after].timing.median

    def busy_ratio(self, before: str = "before", after: str = "after") -> float:
        """The same by the time that the process was at work."""
        return self.models[before].timing.busy / self.models[after].timing.busy


def cells_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """The ``cells`` that ``tenfold bench --json`` writes, as values again."""
    return tuple(
        Cell(**{**cell, "models": {name: read_measured(x) for name, x in cell["models"].items()}})
        for cell in data
    )


def read_measured(data: Mapping[str, Any]) -> Measured:
    """One model of a cell."""
    return Measured(**{**data, "timing": Timing(**data["timing"])})


def compare(
    models: Mapping[str, nn.Module],
    example: Any,
    *,
    engines: Sequence[str] = ("eager",),
    batches: Sequence[int] = (1,),
    threads: int = 1,
    runs: int = RUNS,
    warmup: int = WARMUP,
    seconds: float = SECONDS,
    progress: Progress = silent,
) -> tuple[Cell, ...]:
    """Time every model in every engine; within a cell run by run in turn.

    Args:
        models: by name; none is changed.
        example: its first mode is the batch and is tiled to each size.
        engines: names, all of which must be available here.
        threads: of every engine.
        runs, warmup, seconds: runs a model, rounds before them, and the time after which a cell
            ends early.

    Raises:
        InputError: an unknown engine, a batch size below 1, a model that an engine cannot take.
        MissingExtra: an engine that is not installed.
    """
    if min(batches, default=0) < 1:
        raise bad_value("Batch sizes must be at least 1", list(batches), "write --batch 1,32")
    chosen = [check_available(name) for name in engines]
    cells: list[Cell] = []
    with torch_threads(threads), frozen_rng():
        for engine in chosen:
            for size in batches:
                cells.append(
                    fill_cell(
                        engine, models, resize(example, size), size, threads, runs, warmup, seconds
                    )
                )
                progress("timing", len(cells), len(chosen) * len(batches))
    return tuple(cells)


def fill_cell(
    engine: Engine,
    models: Mapping[str, nn.Module],
    inputs: Any,
    batch: int,
    threads: int,
    runs: int,
    warmup: int,
    seconds: float,
) -> Cell:
    """One engine, one batch size. Raises InputError when a model does not run at it."""
    expected = {name: output_at(model, inputs, batch) for name, model in models.items()}
    packages = {name: engine.package(model, inputs) for name, model in models.items()}
    memory = {
        name: peak_growth(lambda package=package: engine.load(package, inputs, threads))  # type: ignore[misc]
        for name, package in packages.items()
    }
    calls = {name: engine.load(package, inputs, threads) for name, package in packages.items()}
    differences = {name: difference(calls[name](), expected[name]) for name in models}
    timings = interleave(calls, runs, warmup, seconds)
    measured = {
        name: Measured(timings[name], memory[name], packages[name].bytes, differences[name])
        for name in models
    }
    return Cell(engine.name, engine.label, engine.version(), threads, batch, measured)


def output_at(model: nn.Module, inputs: Any, batch: int) -> Tensor:
    """PyTorch's first output."""
    with as_bad_value(
        f"The model must run at batch {batch}", "time it at the batch sizes that it takes"
    ):
        return first_tensor(run(model, inputs))


def difference(output: Any, expected: Tensor) -> float:
    """Largest difference from the expected output, relative to its largest value."""
    return gap(expected.double(), first_tensor(output).double())


def engines_at_hand() -> tuple[str, ...]:
    """Engines that are installed and prepare a network in seconds."""
    return tuple(n for n in ENGINES if ENGINES[n].quick and not ENGINES[n].unavailable())
