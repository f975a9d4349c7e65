"""Inputs made without data: optimised until every BatchNorm sees its own running statistics.

DeepInversion (Yin et al. 2020, equation 4) without its class targets and image priors: what is
wanted are the second moments inside the network, not pictures. Logarithms of the variances are
matched, so that quiet channels count like loud ones. Priors were measured and left out: total
variation changed nothing, and logits spread over the classes made the images so certain that
neither gradients nor divergences could be measured on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from tenfold.data.channels import channel_moments
from tenfold.data.grow import phases
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import call, evaluating, frozen_rng
from tenfold.network.watch import watching_inputs

BLENDS = {4: "bilinear", 5: "trilinear"}  # by the number of axes
STEPS = 40
RATE = 0.3  # as near in 30 steps as 0.1 in 45


def can_synthesise(model: nn.Module, example: Any) -> bool:
    """Whether there is something to match, and inputs of any number that gradients reach."""
    single = isinstance(example, Tensor) and example.is_floating_point() and example.ndim > 1
    return single and bool(statistics(model)) and learnable(model, example)


def learnable(model: nn.Module, example: Tensor) -> bool:
    """Whether two inputs run as a batch, through a BatchNorm, and gradients come back to them."""
    device = next(model.parameters()).device
    x = example[:1].detach().repeat(2, *[1] * (example.ndim - 1)).to(device).requires_grad_()
    with evaluating(model), frozen(model), frozen_rng(), torch.enable_grad():
        try:
            mismatch(model, x).backward()  # type: ignore[no-untyped-call]
        except Exception:  # whatever somebody's network raises, it does not take them
            return False
    return x.grad is not None


def statistics(model: nn.Module) -> list[_BatchNorm]:
    """BatchNorm layers whose running statistics can be matched."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_var is not None]


def synthesise(
    model: nn.Module,
    example: Tensor,
    count: int,
    *,
    steps: int = STEPS,
    progress: Progress = silent,
) -> Tensor:
    """``count`` inputs shaped like the example's, drawn from torch's random state; large images
    begin small.

    The model must satisfy ``can_synthesise``; its parameters get no gradients.
    """
    device = next(model.parameters()).device
    parts, done = phases(model, example, steps), 0
    x = smooth_noise((count, example.shape[1], *parts[0][0])).to(device, example.dtype)
    for size, share in parts:
        if x.shape[2:] != size:
            x = F.interpolate(x, size=size, mode="bilinear")
        x = descend(model, x, lambda x: mismatch(model, x), share, onward(progress, done, steps))
        done += share
    return x


def onward(progress: Progress, before: int, total: int) -> Progress:
    """Tells of one part of the steps as of the whole."""
    return lambda stage, done, _: progress(stage, before + done, total)


def descend(
    model: nn.Module,
    start: Tensor,
    loss: Callable[[Tensor], Tensor],
    steps: int,
    progress: Progress = silent,
    rate: float = RATE,
) -> Tensor:
    """Inputs near ``start`` with a smaller loss; ``loss(inputs)`` runs the model, whose parameters
    get no gradients."""
    images = start.ndim == 4  # which convolutions take faster with the channels last
    layout = torch.channels_last if images else torch.preserve_format
    x = start.clone(memory_format=layout).requires_grad_()
    optimiser = torch.optim.Adam([x], lr=rate, betas=(0.5, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=rate / 10)
    with evaluating(model), frozen(model), torch.enable_grad():
        for step in range(steps):
            optimiser.zero_grad()
            loss(x).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            progress("synthesising", step + 1, steps)
    return x.detach().contiguous()


def mismatch(model: nn.Module, x: Tensor) -> Tensor:
    """How far the batch's statistics are from the running ones, averaged over layers."""
    return look_inside(model, x)[0]


def look_inside(model: nn.Module, x: Tensor) -> tuple[Tensor, Any]:
    """The mismatch of the statistics on a batch, and the output."""
    terms: list[Tensor] = []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        terms.append(statistics_gap(layer, inputs[0]))

    with watching_inputs(dict.fromkeys(statistics(model), look)):
        output = call(model, x)
    return torch.stack(terms).mean(), output


def statistics_gap(layer: Any, x: Tensor) -> Tensor:
    """Squared distance of the means in units of the deviation, and of the log-variances."""
    x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x  # under autocast
    mean, variance = channel_moments(x)
    goal = layer.running_var.detach() + layer.eps
    means = (mean - layer.running_mean.detach()).square() / goal
    return means.mean() + ((variance + layer.eps).log() - goal.log()).square().mean()


def smooth_noise(shape: tuple[int, ...]) -> Tensor:
    """Unit noise; over two or three spatial axes a mixture of octaves, as pictures have."""
    noise = torch.randn(shape)
    if len(shape) not in BLENDS:
        return noise
    size = shape[2:]
    for octave in (2, 4, 8):
        small = [max(1, n // octave) for n in size]
        coarse = torch.randn(*shape[:2], *small)
        noise = noise + octave * F.interpolate(coarse, size=size, mode=BLENDS[len(shape)]) / 2
    return noise / noise.std(tuple(range(1, len(shape))), keepdim=True).clamp_min(1e-6)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No gradients to parameters inside; what it was outside."""
    wanted = [(p, p.requires_grad) for p in model.parameters()]
    for p, _ in wanted:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p, flag in wanted:
            p.requires_grad_(flag)
