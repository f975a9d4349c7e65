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
from tenfold.training.state import RunState

LEAST_SCALE = 2.0**-14  # of an fp16 loss: below it every gradient overflows


def take_step(
    state: RunState, objective: Objective, batches: Sequence[Batch], at: int, rate: float
) -> tuple[float, float]:
    """The mean loss and the gradient's norm. Raises TrainingError when they are not finite."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad()
    total = 0.0
    for batch in batches[:-1]:
        with state.workers.without_exchange(objective.forward):
            total += descend(state, objective, batch, len(batches), at)
    total += descend(state, objective, batches[-1], len(batches), at)
    norm = clip(state)
    if not math.isfinite(norm) and overflowed_for_good(state):
        raise diverged(state, batches[-1], at, "gradient")
    state.scaler.step(state.optimiser)
    state.scaler.update()
    state.ema.update()
    return total, norm


def descend(state: RunState, objective: Objective, batch: Batch, count: int, at: int) -> float:
    """One batch's loss and its share of the gradient."""
    device = next(state.student.parameters()).device
    with autocast(state.settings.precision, device), running_through(f"at step {at + 1}"):
        loss = objective(batch) / count
    if state.workers.either(not bool(torch.isfinite(loss)), device):
        raise diverged(state, batch, at, "loss")
    state.scaler.scale(loss * batch.share).backward()  # type: ignore[no-untyped-call]
    return float(state.workers.average(loss.detach() * batch.share))


def clip(state: RunState) -> float:
    """Bring the gradient down to the largest norm allowed; returns what it was."""
    state.scaler.unscale_(state.optimiser)
    norm = nn.utils.clip_grad_norm_(state.student.parameters(), state.settings.clip)
    return float(whole(norm))


def overflowed_for_good(state: RunState) -> bool:
    """An infinite gradient is an error, unless fp16's scale can still come down."""
    return not state.scaler.is_enabled() or state.scaler.get_scale() < LEAST_SCALE
