"""Fit a chain's factors to a quadratic in the weight that they compose.

All factors at once are brought down by limited-memory BFGS. Where the last factor is a matrix, the
best one for given others is known (variable projection), so that only the others are searched: ten
steps bring as much as twelve sweeps over one factor after the other did, at a tenth of the work.
Any format that composes is served.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tenfold.build.reconstruct.descend import descend
from tenfold.build.reconstruct.quadratic import Projected, Quadratic, Wanted

STEPS = 40  # evaluations of the quadratic and its gradient
LEAST = 8  # of them, however large the layer
WORK = 1e11  # multiply-accumulates a layer: the largest get fewer steps

Compose = Callable[[Sequence[Tensor]], Tensor]


@torch.no_grad()
def fit(
    factors: Sequence[Tensor],
    compose: Compose,
    wanted: Wanted,
    free: Sequence[int] | None = None,
) -> list[Tensor]:
    """Better factors of the same shapes; those given where none are found. Others than the
    ``free`` ones are held. They are fitted in units of their sizes, which are of no concern to the
    error."""
    sizes = [size_of(factor) for factor in factors]
    scaled = Wanted(wanted.left, wanted.right, divided(wanted.aim, sizes))
    places = tuple(range(len(factors)) if free is None else free)
    better = fit_scaled([f / size for f, size in zip(factors, sizes)], compose, scaled, places)
    return [factor * size for factor, size in zip(better, sizes)]


def size_of(factor: Tensor) -> float:
    """The power of two, by which nothing is rounded, next to the largest number; 1 for zeros."""
    largest = float(factor.abs().max())
    return 2.0 ** round(math.log2(largest)) if 0 < largest < math.inf else 1.0


def divided(x: Tensor, sizes: Sequence[float]) -> Tensor:
    """By one size after the other: their product may overflow."""
    for size in sorted(sizes):
        x = x / size
    return x


def fit_scaled(
    factors: Sequence[Tensor], compose: Compose, wanted: Wanted, free: Sequence[int]
) -> list[Tensor]:
    """The same for factors of about one size."""
    found = (fit_before_last if matrix_last(factors) else fit_whole)(factors, compose, wanted, free)
    before, after = (wanted.at(compose(x).flatten(1)) for x in (factors, found))
    return found if after < before else list(factors)  # NaN compares false


def fit_whole(
    factors: Sequence[Tensor], compose: Compose, wanted: Wanted, free: Sequence[int]
) -> list[Tensor]:
    """All factors by their gradients."""
    return search(factors, compose, wanted.whole, free)


def fit_before_last(
    factors: Sequence[Tensor], compose: Compose, wanted: Wanted, free: Sequence[int]
) -> list[Tensor]:
    """Those before the last by their gradients, and the last, a matrix, as the best for them."""
    *rest, last = factors
    one = torch.eye(last.shape[1], dtype=last.dtype).reshape(last.shape[1], *last.shape[1:])
    held, inner = len(rest) not in free, [k for k in free if k < len(rest)]
    goal = wanted.whole.before(last.flatten(1)) if held else wanted.projected
    *rest, _ = search([*rest, one], compose, goal, inner)
    if held:
        return [*rest, last]
    first = compose([*rest, one]).flatten(1)
    return [*rest, wanted.projected.last(first).reshape(last.shape)]


def search(
    factors: Sequence[Tensor], compose: Compose, goal: Quadratic | Projected, free: Sequence[int]
) -> list[Tensor]:
    """The free factors brought down, the others as they are."""

    def placed(values: Sequence[Tensor]) -> list[Tensor]:
        found = dict(zip(free, values))
        return [found.get(k, factor) for k, factor in enumerate(factors)]

    def slope(values: Sequence[Tensor]) -> tuple[float, Sequence[Tensor]]:
        with torch.enable_grad():
            leaves = [value.detach().requires_grad_() for value in values]
            weight = compose(placed(leaves)).flatten(1)
        value, gradient = goal.slope(weight.detach())
        return value, torch.autograd.grad(weight, leaves, gradient)

    if not free:
        return list(factors)
    rows = compose(factors).flatten(1).shape
    return placed(descend([factors[k] for k in free], slope, steps_for(goal, *rows)))


def steps_for(goal: Quadratic | Projected, rows: int, columns: int) -> int:
    """Evaluations that the work allowed pays for."""
    outputs = len(goal.left)
    return max(LEAST, min(STEPS, int(WORK / (rows * columns * (columns + 2 * outputs)))))


def matrix_last(factors: Sequence[Tensor]) -> bool:
    """Whether the last factor ``(out, r, 1, ...)`` maps r channels, position by position."""
    last = factors[-1]
    return len(factors) > 1 and last[0, 0].numel() == 1 and last.shape[1] == len(factors[-2])
