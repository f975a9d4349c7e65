"""Noise to measure a network on that tells nothing of its inputs; a classifier without BatchNorm is
shown what makes it say all its classes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.apart import Split
from tenfold.data.cache import cached
from tenfold.data.calibrate import BATCH
from tenfold.data.grow import phases, worth
from tenfold.data.provoke import STEPS, provoke
from tenfold.data.synthesise import smooth_noise
from tenfold.errors import bad_value
from tenfold.machine.progress import Progress
from tenfold.network.batching import batch_taken
from tenfold.network.call import run
from tenfold.sense.work import READING, WORK, affordable, per_input
from tenfold.tasks import Purpose, Task
from tenfold.values import Survey

MOST = 64
TOO_MUCH = 4  # times the work is not taken, even for the least inputs
Level = Callable[[Tensor], Tensor]


def make_noise(
    model: nn.Module,
    survey: Survey,
    example: Any,
    most: int | None,
    seed: int,
    progress: Progress,
    purpose: Purpose,
) -> tuple[Split, Task]:
    """Smooth noise of the example's shape, as large as the example where that varies, else unit: on
    a network without normalisation, damages measured on it beat plain Frobenius by far
    (``benchmarks/claims/no_batchnorm.py``). It is changed until a classifier says all classes;
    the task is told that its outputs were read as."""
    if not isinstance(example, Tensor) or not example.is_floating_point():
        raise bad_value(
            "metric='noise' needs one input tensor of real numbers",
            type(example).__name__,
            "use metric='frobenius', or pass calibration=...",
        )
    torch.manual_seed(seed)
    count = most or affordable(READING, 6, survey, example, MOST)
    noise = smooth_noise((2 * count, *example.shape[1:])).to(next(model.parameters()).device)
    noise, size = noise.to(example.dtype), batch_taken(model, example, BATCH)
    sets = dict(zip(("seen", "apart"), noise.chunk(2)))
    task = purpose.task(model, run(model, as_large(noise[:size], example)))
    few = affordable_to_provoke(model, survey, example, count)
    if task.class_mode is not None and size > 1 and few:
        level = partial(as_large, example=example)
        few_of = {name: x[:few] for name, x in sets.items()}
        told = ("provoked", task.name, few, size, seed, level_of(example), tuple(example.shape[1:]))
        sets = cached(
            told,
            model,
            lambda: {
                name: provoked(model, x, size, task, level, progress) for name, x in few_of.items()
            },
        )
    seen, apart = (as_large(sets[name], example).split(size) for name in ("seen", "apart"))
    return Split(seen, apart), task


def affordable_to_provoke(model: nn.Module, survey: Survey, example: Tensor, most: int) -> int:
    """How many inputs can be changed until the network says all its classes, beside as many that
    are held apart; 0 where even the least take far too long."""
    passes = 6 * worth(phases(model, example, STEPS))
    count = affordable(WORK, passes, survey, example, most)
    return count if count * passes * per_input(survey, example) <= TOO_MUCH * WORK else 0


def provoked(
    model: nn.Module, noise: Tensor, size: int, task: Task, level: Level, progress: Progress
) -> Tensor:
    """The noise changed, so much at once; as it is where no gradients come back to it."""
    with suppress(RuntimeError):
        parts = noise.split(size)
        return torch.cat([provoke(model, x, task, level, progress=progress) for x in parts])
    return noise


def as_large(noise: Tensor, example: Tensor) -> Tensor:
    """Unit noise with the mean and the deviation of an example, where it says any."""
    mean, spread = level_of(example) or (0.0, 1.0)
    return mean + spread * noise


def level_of(example: Tensor) -> tuple[float, float] | None:
    """Mean and deviation of real numbers, to two digits, which a plan keeps; None where they are
    all the same, not finite or whole."""
    if not example.is_floating_point() or example.numel() < 2:
        return None
    numbers = example.detach().double().cpu()
    mean, spread = (float(f"{float(x):.2g}") for x in (numbers.mean(), numbers.std(correction=0)))
    return (mean, spread) if 0 < spread < float("inf") else None
