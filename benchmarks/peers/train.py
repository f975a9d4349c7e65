"""The same short training for every network: so many steps after the original's logits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE, HEAT = 1e-3, 4.0


def distil(
    model: nn.Module, original: nn.Module, data: Iterable[Any], steps: int, seed: int = 0
) -> None:
    """Adam, a cosine from ``RATE`` to 0, the divergence between softened outputs (Hinton et al.
    2015); batches in the same order for every network."""
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for images in islice(endless(data), steps):
        loss = divergence(model(images), told(original, images))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval()


@torch.no_grad()
def told(original: nn.Module, images: Tensor) -> Tensor:
    """What the original says."""
    return original(images)


def endless(data: Iterable[Any]) -> Iterator[Tensor]:
    """Images alone, epoch after epoch."""
    return (images for images, _ in chain.from_iterable(repeat(data)))


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler between both at ``HEAT``, scaled back."""
    pair = F.log_softmax(student / HEAT, 1), F.log_softmax(teacher / HEAT, 1)
    return HEAT**2 * F.kl_div(*pair, log_target=True, reduction="batchmean")
