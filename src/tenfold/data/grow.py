"""Images made small first and then grown: a step costs what their area does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tenfold.network.batching import takes

LEAST = {4: 32, 5: 16}  # pixels a side of images and volumes: layers see little but padding below
SHARES = ((1.0,), (0.7, 0.3), (0.55, 0.35, 0.1))  # of the steps, by how often the side is halved

Size = tuple[int, ...]


def phases(model: nn.Module, example: Tensor, steps: int) -> list[tuple[Size, int]]:
    """Sizes from small to the example's own, each with its share of the steps; the own size alone
    for what is no image, or where the network takes no other."""
    whole = tuple(example.shape[2:])
    sizes = [whole]
    while example.ndim in LEAST and len(sizes) < len(SHARES):
        half = tuple(-(-side // 2) for side in sizes[0])
        if min(half) < LEAST[example.ndim] or not takes(model, blank(model, example, half)):
            break
        sizes.insert(0, half)
    return [(size, round(part * steps)) for size, part in zip(sizes, SHARES[len(sizes) - 1])]


def worth(parts: Sequence[tuple[Size, int]]) -> float:
    """How many steps at the last size take as long."""
    return sum(steps * math.prod(size) for size, steps in parts) / math.prod(parts[-1][0])


def blank(model: nn.Module, example: Tensor, size: Size) -> Tensor:
    """Two images of another size, where the model is."""
    device = next(model.parameters()).device
    return torch.zeros(2, example.shape[1], *size, dtype=example.dtype, device=device)
