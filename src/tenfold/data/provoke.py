"""Noise changed until the network says all its classes.

A network without BatchNorm tells no statistics to meet, and to noise it says one class. What it
sees of others, noise does not show. The inputs are changed by smooth fields, for what is fine
deceives a network without looking like anything it knows, until they say something of their own
each and all classes together (the mutual information of inputs and classes; Krause, Perona and
Gomes 2010).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.data.grow import phases
from tenfold.data.synthesise import BLENDS, frozen
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import call, evaluating
from tenfold.tasks import Task, parts_of
from tenfold.tasks.classes import log_shares

STEPS = 30
RATE = 0.1  # deviations of the noise
COARSE = 2  # pixels a side that a field changes alike
SURE = 0.5  # what each input's certainty counts, in units of the classes' variety


def provoke(
    model: nn.Module,
    noise: Tensor,
    task: Task,
    level: Callable[[Tensor], Tensor],
    *,
    steps: int = STEPS,
    progress: Progress = silent,
) -> Tensor:
    """Inputs ``(n, channels, ...)`` near unit ``noise`` of the same shape, of unit size again, that
    say as many classes of the ``task`` as the network knows; large images are changed small first.

    The model is shown what ``level`` makes of them; its parameters get no gradients. Raises what
    the model raises.
    """
    field = torch.zeros_like(sized(noise, coarse_size(noise.shape[2:])))
    done = 0
    with evaluating(model), frozen(model), torch.enable_grad():
        for size, share in phases(model, noise, steps):
            start, field = sized(noise, size), sized(field, coarse_size(size)).requires_grad_()
            optimiser = torch.optim.Adam([field], lr=RATE)
            for _ in range(share):
                optimiser.zero_grad()
                shown = level(changed(start, field))
                plainness(model, shown, task).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                done += 1
                progress("provoking", done, steps)
            field = field.detach()
    return changed(noise, field).detach()


def plainness(model: nn.Module, x: Tensor, task: Task) -> Tensor:
    """How unsure the network is of each input, less how many classes it says of all."""
    scores = next(iter(parts_of(call(model, x)).values()))
    logs = log_shares(task.laid_out(scores, {}, True).float())
    shares = logs.exp()
    mean = shares.mean(0)
    unsure = -(shares * logs).sum(1).mean()
    variety = -(mean * mean.clamp_min(1e-30).log()).sum()
    return SURE * unsure - variety


def changed(noise: Tensor, field: Tensor) -> Tensor:
    """Noise with a coarse field on top, of unit size."""
    mixed = noise + sized(field, noise.shape[2:])
    return mixed / mixed.std(tuple(range(1, mixed.ndim)), keepdim=True).clamp_min(1e-6)


def coarse_size(size: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
    """Of a field over so many pixels."""
    return tuple(-(-side // COARSE) for side in size)


def sized(x: Tensor, size: torch.Size | tuple[int, ...]) -> Tensor:
    """Blended to another size."""
    return x if x.shape[2:] == size else F.interpolate(x, size=tuple(size), mode=BLENDS[x.ndim])
