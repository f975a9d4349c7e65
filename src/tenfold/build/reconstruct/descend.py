"""A function of a few tensors brought down by limited-memory BFGS (Nocedal 1980)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MEMORY = 10  # pairs of a step and the change of the gradient
FIRST = 0.05  # length of the first step, in units of the point's
SHORTER = 0.4  # a step that does not lead down enough
DOWN = 1e-4  # of what the slope promises (Armijo 1966)
TRIES = 8  # at a step
ENOUGH = 1e-5  # of what was gained so far: a step that gains less is the last

Slope = Callable[[Sequence[Tensor]], "tuple[float, Sequence[Tensor]]"]


def descend(start: Sequence[Tensor], slope: Slope, evaluations: int) -> list[Tensor]:
    """A point no higher than ``start``. ``slope`` gives value and gradients at a point; it is asked
    ``evaluations`` times at most, but for the tries of the last step."""
    shapes, asked = [x.shape for x in start], 0

    def at(flat: Tensor) -> tuple[float, Tensor]:
        nonlocal asked
        asked += 1
        value, gradients = slope(parted(flat, shapes))
        return value, together(gradients)

    point = together(start)
    value, gradient = at(point)
    first, pairs = value, deque[tuple[Tensor, Tensor]](maxlen=MEMORY)
    while asked < evaluations:
        ahead = direction(point, gradient, pairs)
        found = line_search(at, point, value, ahead, float(gradient @ ahead))
        if found is None:
            break
        there, lower, steeper = found
        gained, step, change = value - lower, there - point, steeper - gradient
        if float(step @ change) > 1e-10 * float(step.norm() * change.norm()):
            pairs.append((step, change))
        point, value, gradient = there, lower, steeper
        if gained <= ENOUGH * (first - value):
            break
    return parted(point, shapes)


def direction(point: Tensor, gradient: Tensor, pairs: deque[tuple[Tensor, Tensor]]) -> Tensor:
    """Where to go, by the two loops of Nocedal; down the gradient at first, and where the pairs
    lead up."""
    if not pairs:
        length = point.norm().clamp_min(torch.finfo(point.dtype).tiny)
        return -gradient * (FIRST * length / gradient.norm().clamp_min(1e-30))
    ahead, shares = gradient.clone(), []
    for step, change in reversed(pairs):
        shares.append((step @ ahead) / (step @ change))
        ahead -= shares[-1] * change
    step, change = pairs[-1]
    ahead *= (step @ change) / (change @ change)
    for (step, change), share in zip(pairs, reversed(shares)):
        ahead += step * (share - (change @ ahead) / (step @ change))
    if float(gradient @ ahead) > 0:
        return -ahead
    pairs.clear()
    return direction(point, gradient, pairs)


def line_search(
    at: Callable[[Tensor], tuple[float, Tensor]],
    point: Tensor,
    value: float,
    ahead: Tensor,
    promised: float,
) -> tuple[Tensor, float, Tensor] | None:
    """The first point on the way that is low enough, with its value and gradient; None where there
    is none, or where a value is no number."""
    length = 1.0
    for _ in range(TRIES):
        there = point + length * ahead
        lower, gradient = at(there)
        if lower < value and lower <= value + DOWN * length * promised:
            return there, lower, gradient
        length *= SHORTER
    return None


def together(parts: Sequence[Tensor]) -> Tensor:
    """All numbers in one vector."""
    return torch.cat([part.flatten() for part in parts])


def parted(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """A vector as tensors of these shapes."""
    pieces = flat.split([shape.numel() for shape in shapes])
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes)]
