"""Files side by side: bytes, interleaved latency and, on labelled batches, accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tenfold.data.batches import logits_of, read_batch
from tenfold.data.reading import guarded
from tenfold.deploy.prepare import answers
from tenfold.errors import as_bad_value
from tenfold.machine.files import bytes_in
from tenfold.machine.progress import Progress, silent
from tenfold.machine.timing import Timing, interleave
from tenfold.network.call import frozen_rng
from tenfold.network.inputs import batch_of, cut, resize
from tenfold.runtimes import FILES, Loaded
from tenfold.training.score import FITTING, hits_of

Runner = Callable[[Any], Any]  # from inputs to outputs, as a model takes and gives them
RUNS, WARMUP = 60, 10


@dataclass(frozen=True)
class MeasuredFile:
    """One file: its bytes, timings by batch size, and top-1 in per cent if there are labels."""

    name: str
    bytes: int
    latency: Mapping[int, Timing]
    accuracy: float | None


def measure_files(
    to: str,
    files: Mapping[str, Path],
    example: Any,
    test: Iterable[Any] | None,
    batches: Sequence[int],
    class_mode: int | None = 1,
    progress: Progress = silent,
) -> tuple[MeasuredFile, ...]:
    """Every file, each in a folder of its own, on the same inputs, run by run in turn, in its
    runtime on one thread."""
    loaded = {name: FILES[to].load(file) for name, file in files.items()}
    timings = {size: time_files(loaded, resize(example, size)) for size in batches}
    scores: dict[str, float | None] = dict.fromkeys(loaded)
    if test is not None and class_mode is not None:
        for done, name in enumerate(loaded):
            runner = partial(answers, loaded[name])
            scores[name] = score(runner, test, batch_of(example), len(batches) > 1, class_mode)
            progress("testing", done + 1, len(loaded))
    return tuple(
        MeasuredFile(
            name,
            bytes_in(file.parent),
            {size: timings[size][name] for size in batches},
            scores[name],
        )
        for name, file in files.items()
    )


def time_files(loaded: Mapping[str, Loaded], inputs: Any) -> dict[str, Timing]:
    """Milliseconds a run of each."""
    return interleave({name: ready(inputs) for name, ready in loaded.items()}, RUNS, WARMUP)


def score(
    runner: Runner, test: Iterable[Any], batch: int, dynamic: bool, class_mode: int
) -> float | None:
    """Top-1 in per cent over labelled batches, in pieces of ``batch`` where the file wants them;
    None where they have no labels."""
    hits, seen = 0.0, 0
    with frozen_rng(0):
        for raw in guarded(test):
            read = read_batch(raw, torch.device("cpu"))
            if read.labels is None:
                return None
            size = batch_of(read.inputs) if dynamic else batch
            with as_bad_value(*FITTING):
                logits = logits_by_pieces(runner, read.inputs, size)
            right, counted = hits_of(logits, read.labels, class_mode)
            hits, seen = hits + right, seen + counted
    return 100 * hits / max(seen, 1)


def logits_by_pieces(runner: Runner, inputs: Any, size: int) -> Tensor:
    """The first output over inputs of any number; the last piece is filled up and cut."""
    outputs = []
    for at in range(0, batch_of(inputs), size):
        piece = cut(inputs, at, at + size)
        outputs.append(logits_of(runner(resize(piece, size)))[: batch_of(piece)])
    return torch.cat(outputs)
