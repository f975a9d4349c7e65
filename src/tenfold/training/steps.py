"""One optimiser step: the loss of a few batches, their averaged gradient, clipped, applied."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from tenfold.data.batches import Batch
from tenfold.data.reading import running_through
from tenfold.machine.precision import autocast
from tenfold.training.faults import diverged
from tenfold.training.objective import Objective
from tenfold.training.shards import whole
from tenfold.training.state import Moving

LEAST_SCALE = 2.0**-14  # of an fp16 loss: below it every gradient overflows


def take_step(
    moving: Moving, objective: Objective, batches: Sequence[Batch], at: int, rate: float
) -> tuple[float, float]:
    """The mean loss and the gradient's norm. Raises TrainingError when they are not finite."""
    for group in moving.optimiser.param_groups:
        group["lr"] = rate
    moving.optimiser.zero_grad()
    total = 0.0
    for batch in batches[:-1]:
        with moving.engine.without_exchange(objective.forward):
            total += descend(moving, objective, batch, len(batches), at)
    total += descend(moving, objective, batches[-1], len(batches), at)
    norm = clip(moving)
    if not math.isfinite(norm) and overflowed_for_good(moving):
        raise diverged(moving, batches[-1], at, "gradient")
    moving.scaler.step(moving.optimiser)
    moving.scaler.update()
    moving.ema.update()
    return total, norm


def descend(moving: Moving, objective: Objective, batch: Batch, count: int, at: int) -> float:
    """One batch's loss and its share of the gradient."""
    device = next(moving.student.parameters()).device
    with autocast(moving.settings.precision, device), running_through(f"at step {at + 1}"):
        loss = objective(batch) / count
    if moving.engine.either(not bool(torch.isfinite(loss)), device):
        raise diverged(moving, batch, at, "loss")
    moving.scaler.scale(loss * batch.share).backward()  # type: ignore[no-untyped-call]
    return float(moving.engine.average(loss.detach() * batch.share))


def clip(moving: Moving) -> float:
    """Bring the gradient down to the largest norm allowed; returns what it was."""
    moving.scaler.unscale_(moving.optimiser)
    norm = nn.utils.clip_grad_norm_(moving.student.parameters(), moving.settings.clip)
    return float(whole(norm))


def overflowed_for_good(moving: Moving) -> bool:
    """An infinite gradient is an error, unless fp16's scale can still come down."""
    return not moving.scaler.is_enabled() or moving.scaler.get_scale() < LEAST_SCALE
