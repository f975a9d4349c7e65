"""Means over batches, with the number of samples and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn

from tenfold.data.batches import UNCOUNTED, Batch, length_of, read_batch
from tenfold.data.reading import guarded
from tenfold.errors import bad_value
from tenfold.machine.progress import Progress, silent
from tenfold.training.workers import OneProcess
from tenfold.values import Mean


def mean_over(
    batches: Iterable[Any],
    judge: Callable[[Batch], tuple[float, int]],
    model: nn.Module,
    workers: OneProcess,
    progress: Progress = silent,
) -> float:
    """Weighted mean of ``(value, weight)`` over all batches and processes."""
    return over_all(batches, judge, model, workers, progress).value


def over_all(
    batches: Iterable[Any],
    judge: Callable[[Batch], tuple[float, int]],
    model: nn.Module,
    workers: OneProcess,
    progress: Progress = silent,
) -> Mean:
    """The same with the sum of the weights, and the standard error that the batches show; None
    where other processes have some of them."""
    device = next(model.parameters()).device
    seen: list[tuple[float, int]] = []
    length = length_of(batches) or 0
    for done, raw in enumerate(guarded(batches)):
        part, share = workers.part(raw)
        value, weight = judge(read_batch(part, device, share))
        weight = weight if share else 0  # another process has this row
        seen.append((value, weight))
        progress("evaluating", done + 1, max(length, done + 1))
    total, weights = workers.total(
        float(sum(value * weight for value, weight in seen)),
        float(sum(weight for _, weight in seen)),
        device,
    )
    if not weights:
        raise bad_value(
            "Data to judge by must give inputs that count each time they are iterated",
            "none",
            "pass a DataLoader or a list, not a generator, with labels that are not all "
            f"{UNCOUNTED}",
        )
    mean, alone = total / weights, workers.here.size == 1
    return Mean(mean, int(weights), spread_of(seen, mean) if alone else None)


def spread_of(seen: Sequence[tuple[float, int]], mean: float) -> float | None:
    """Standard error of a mean over batches ``(value, weight)``; None of less than two."""
    counted = [(value, weight) for value, weight in seen if weight]
    if len(counted) < 2:
        return None
    squares = sum((weight * (value - mean)) ** 2 for value, weight in counted)
    few = len(counted) / (len(counted) - 1)
    return math.sqrt(squares * few) / sum(weight for _, weight in counted)
