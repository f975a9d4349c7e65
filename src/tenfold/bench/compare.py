"""Models in engines at batch sizes: time, memory and size, one frozen value a cell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tenfold.bench.memory import peak_growth
from tenfold.deploy.prepare import deploy, start
from tenfold.errors import as_bad_value, bad_value
from tenfold.machine.from_json import make
from tenfold.machine.processes import torch_threads
from tenfold.machine.progress import Progress, silent
from tenfold.machine.timing import Timing, interleave
from tenfold.network.arrays import tensors_in
from tenfold.network.call import frozen_rng, run
from tenfold.network.difference import difference
from tenfold.network.inputs import resize
from tenfold.runtimes import ENGINES, Deployed, Runtime, check_available

RUNS, WARMUP = 60, 5
SECONDS = 20.0  # a cell; slow networks get fewer runs


@dataclass(frozen=True)
class MeasuredModel:
    """One model in one engine: milliseconds a batch, peak growth of resident memory in bytes
    (None where the system does not tell), bytes on disk, and the largest difference from the
    model's outputs in PyTorch, as a share of the largest value."""

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
    models: Mapping[str, MeasuredModel]

    def ratio(self, before: str = "before", after: str = "after") -> float:
        """How many times faster ``after`` is than ``before``, by the medians."""
        return self.models[before].timing.median / self.models[after].timing.median

    def busy_ratio(self, before: str = "before", after: str = "after") -> float:
        """The same by the time that the process was at work."""
        return self.models[before].timing.busy / self.models[after].timing.busy


@dataclass(frozen=True)
class Pace:
    """Threads of an engine, runs a model, rounds before them, and seconds after which a cell ends
    early."""

    threads: int
    runs: int
    warmup: int
    seconds: float


def cells_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """The ``cells`` that ``tenfold bench --json`` writes, as values again."""
    return tuple(make(Cell, cell) for cell in data)


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
    pace = Pace(threads, runs, warmup, seconds)
    cells: list[Cell] = []
    with torch_threads(threads), frozen_rng():
        for engine in chosen:
            for cell in time_engine(engine, models, example, batches, pace):
                cells.append(cell)
                progress("timing", len(cells), len(chosen) * len(batches))
    return tuple(cells)


def time_engine(
    engine: Runtime,
    models: Mapping[str, nn.Module],
    example: Any,
    batches: Sequence[int],
    pace: Pace,
) -> Iterator[Cell]:
    """A cell a batch size. Models are deployed once, those that are bound to a batch size anew for
    each. Raises InputError when a model does not run at one."""
    deployed: dict[str, Deployed] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for batch in batches:
            inputs = resize(example, batch)
            expected = {name: outputs_at(model, inputs, batch) for name, model in models.items()}
            for name, model in models.items():
                if name not in deployed or not deployed[name].dynamic:
                    empty = Path(tempfile.mkdtemp(dir=folder))
                    deployed[name] = deploy(engine, model, inputs, empty)
            yield fill_cell(engine, deployed, expected, inputs, batch, pace)


def fill_cell(
    engine: Runtime,
    deployed: Mapping[str, Deployed],
    expected: Mapping[str, Sequence[Tensor]],
    inputs: Any,
    batch: int,
    pace: Pace,
) -> Cell:
    """One engine, one batch size."""
    starts = {name: partial(start, engine, x, inputs, pace.threads) for name, x in deployed.items()}
    memory = {name: peak_growth(load) for name, load in starts.items()}
    calls = {name: load() for name, load in starts.items()}
    apart = {name: difference(expected[name], tensors_in(run())) for name, run in calls.items()}
    timings = interleave(calls, pace.runs, pace.warmup, pace.seconds)
    measured = {
        name: MeasuredModel(timings[name], memory[name], deployed[name].bytes, apart[name])
        for name in calls
    }
    return Cell(engine.name, engine.label, engine.version(), pace.threads, batch, measured)


def outputs_at(model: nn.Module, inputs: Any, batch: int) -> list[Tensor]:
    """PyTorch's outputs. Raises InputError when there are none."""
    rule = f"The model must run at batch {batch}"
    with as_bad_value(rule, "time it at the batch sizes that it takes"):
        outputs = run(model, inputs)
    tensors = tensors_in(outputs)
    if not tensors:
        raise bad_value(
            "A model's output must be or hold a tensor",
            type(outputs).__name__,
            "wrap the model so that it returns one, or several in a tuple or mapping",
        )
    return tensors


def engines_at_hand() -> tuple[str, ...]:
    """Engines that are installed, run here and prepare a network in seconds."""
    quick = {name: ENGINES[name] for name in ENGINES if ENGINES[name].quick}
    return tuple(n for n, x in quick.items() if not (x.unavailable() or x.unreadable()))
