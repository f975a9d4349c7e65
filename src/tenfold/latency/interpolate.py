"""Between measured ranks time is taken as linear in each rank, which is what the arithmetic is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

NODES = {1: 6, 2: 3, 3: 2}  # measured values a rank, by the number of ranks


def choose_axes(ranks: Tensor) -> tuple[tuple[int, ...], ...]:
    """A few values of each rank, from the smallest to the largest row of ``ranks`` ``(n, d)``,
    evenly spread in the logarithm."""
    return tuple(_spread(sorted(set(column.tolist())), ranks.shape[1]) for column in ranks.T)


def _spread(values: list[int], ranks: int) -> tuple[int, ...]:
    """A few of the values."""
    count = NODES.get(ranks, 2)
    low, high = values[0], values[-1]
    wanted = [low * (high / low) ** (k / (count - 1)) for k in range(count)]
    return tuple(sorted({min(values, key=lambda v, w=w: abs(v - w)) for w in wanted}))  # type: ignore[misc]


def complete_axes(known: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The axes of a table's own grid, or ``()`` when its rows are not a whole grid."""
    axes = tuple(tuple(sorted(set(column))) for column in zip(*known))
    return axes if set(product(*axes)) <= set(known) else ()


def interpolate(axes: Sequence[Sequence[int]], values: Tensor, ranks: Tensor) -> Tensor:
    """Multilinear between the nodes; ``values`` has a mode an axis, ``ranks`` is ``(n, d)``.

    Returns float64 ``(n,)``, infinite outside the grid."""
    total = torch.zeros(len(ranks), dtype=torch.float64)
    left, mix = [], []
    inside = torch.ones(len(ranks), dtype=torch.bool)
    for axis, column in zip(axes, ranks.double().T):
        nodes = torch.tensor(axis, dtype=torch.float64)
        at = (torch.searchsorted(nodes, column.contiguous(), right=True) - 1).clamp(
            0, max(0, len(nodes) - 2)
        )
        width = (nodes[(at + 1).clamp_max(len(nodes) - 1)] - nodes[at]).clamp_min(1e-9)
        left.append(at)
        mix.append(((column - nodes[at]) / width).clamp(0, 1))
        inside &= (column >= nodes[0]) & (column <= nodes[-1])
    for corner in product((0, 1), repeat=len(axes)):
        weight, index = torch.ones_like(total), []
        for step, at, part, axis in zip(corner, left, mix, axes):
            weight = weight * (part if step else 1 - part)
            index.append((at + step).clamp_max(len(axis) - 1))
        total += weight * values[tuple(index)]
    return torch.where(inside, total, torch.inf)
