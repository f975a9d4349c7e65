"""A classifier's factors, trained on the softmax over features of every class.

Which features a class goes by is what a second moment of all of them does not know: on an
EfficientNet of a thousand classes factors in it are worse than those of the weight as it is, and
these are better (``benchmarks/claims/real_networks.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.data.apart import Split
from tenfold.layers import links_of

STEPS = 200
BATCH = 512
RATE = 0.02  # of a factor's root mean square


def teach(original: nn.Module, built: nn.Module, lesson: Split, seed: int = 0) -> None:
    """Train the factors of ``built`` in place to say what ``original`` says; they stay as they were
    unless they come nearer on what the lesson holds apart."""
    factors = [link.weight for link in links_of(built)]
    before = [factor.detach().clone() for factor in factors]
    apart = lesson.apart[0]
    least = gap(original, built, apart)
    with learning(factors):
        train(original, built, factors, lesson.seen[0], torch.Generator().manual_seed(seed))
    if not gap(original, built, apart) < least:  # NaN compares false
        with torch.no_grad():
            for factor, held in zip(factors, before):
                factor.copy_(held)


@contextmanager
def learning(factors: Sequence[Tensor]) -> Iterator[None]:
    """Gradients reach these alone; what was wanted of them before is wanted again after."""
    wanted = [factor.requires_grad for factor in factors]
    with torch.enable_grad():
        for factor in factors:
            factor.requires_grad_()
        yield
    for factor, flag in zip(factors, wanted):
        factor.grad = None
        factor.requires_grad_(flag)


def train(
    original: nn.Module,
    built: nn.Module,
    factors: Sequence[Tensor],
    x: Tensor,
    generator: torch.Generator,
) -> None:
    """Adam on batches of the rows of ``x``, with a rate that falls to nothing."""
    groups = [
        {"params": [f], "lr": RATE * float(f.detach().square().mean() ** 0.5)} for f in factors
    ]
    optimiser = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        rows = torch.randperm(len(x), generator=generator)[:BATCH].to(x.device)
        loss = divergence(original, built, x[rows])
        grads = torch.autograd.grad(loss, factors)
        for factor, grad in zip(factors, grads):
            factor.grad = grad
        optimiser.step()
        schedule.step()


@torch.no_grad()
def gap(original: nn.Module, built: nn.Module, x: Tensor) -> float:
    """The divergence, to compare."""
    return float(divergence(original, built, x))


def divergence(original: nn.Module, built: nn.Module, x: Tensor) -> Tensor:
    """Of the classes, as the task of classification has it."""
    with torch.no_grad():
        wanted = original(x).log_softmax(1)
    return F.kl_div(built(x).log_softmax(1), wanted, log_target=True, reduction="batchmean")
