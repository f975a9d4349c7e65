"""Fit a chain's factors to a quadratic in the weight that they compose.

The weight is linear in each factor alone, so one factor at a time is solved by conjugate
gradients (Hestenes and Stiefel 1952); alternating over them never raises the quadratic. Any
format that composes is served; where the last factor is a matrix, what is between it and the rest
is as small as the rank, and the quadratic is brought down to that size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.build.reconstruct.quadratic import Quadratic

SWEEPS = 12  # over the factors
STEPS = 12  # of conjugate gradients a factor
WORK = 4e11  # multiply-accumulates a layer at most: the largest get fewer sweeps

Compose = Callable[[Sequence[Tensor]], Tensor]


@torch.no_grad()
def fit(
    factors: Sequence[Tensor],
    compose: Compose,
    wanted: Quadratic,
    free: Sequence[int] | None = None,
) -> list[Tensor]:
    """Better factors of the same shapes; those given where none are found. Others than the
    ``free`` ones are held. They are fitted in units of their sizes, which are of no concern to the
    error."""
    sizes = [size_of(factor) for factor in factors]
    scaled = Quadratic(wanted.left, wanted.right, divided(wanted.linear, sizes))
    places = range(len(factors)) if free is None else free
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
    factors: Sequence[Tensor], compose: Compose, wanted: Quadratic, free: Sequence[int]
) -> list[Tensor]:
    """The same for factors of about one size."""
    fitted = [factor.clone() for factor in factors]
    for _ in range(sweeps_for(fitted, wanted)):
        for index in reversed(free):
            fitted[index] = solve(*alone(fitted, index, compose, wanted))
    before, after = (wanted.at(compose(x).flatten(1)) for x in (factors, fitted))
    return fitted if after < before else list(factors)  # NaN compares false


def sweeps_for(factors: Sequence[Tensor], wanted: Quadratic) -> int:
    """Sweeps that the work allowed pays for, two at least."""
    rows, columns = wanted.linear.shape
    rows = min(rows, factors[-1].shape[1]) if matrix_last(factors) else rows
    return max(2, min(SWEEPS, int(WORK / (3 * STEPS * rows * columns * (rows + columns)))))


@dataclass(frozen=True)
class Place:
    """The linear map from one factor to the composed weight ``(out, p)``, and its adjoint."""

    factors: Sequence[Tensor]
    index: int
    compose: Compose

    def push(self, factor: Tensor) -> Tensor:
        """The weight with this factor in its place."""
        factors = [factor if k == self.index else f for k, f in enumerate(self.factors)]
        return self.compose(factors).flatten(1)

    def pull(self, gradient: Tensor) -> Tensor:
        """The adjoint, by automatic differentiation: the map is linear, so any point serves."""
        with torch.enable_grad():
            at = self.factors[self.index].detach().requires_grad_()
            return torch.autograd.grad(self.push(at), at, gradient)[0]


def alone(
    factors: Sequence[Tensor], index: int, compose: Compose, wanted: Quadratic
) -> tuple[Place, Quadratic]:
    """One factor's place, and the quadratic in what it maps to, as small as they come."""
    *rest, last = factors
    if not matrix_last(factors):
        return Place(factors, index, compose), wanted
    one = torch.eye(last.shape[1], dtype=last.dtype).reshape(last.shape[1], *last.shape[1:])
    cut = [*rest, one]
    if index == len(rest):
        return Place([last], 0, lambda x: x[0]), wanted.after(compose(cut).flatten(1))
    if last.shape[1] < last.shape[0]:
        return Place(cut, index, compose), wanted.before(last.flatten(1))
    return Place(factors, index, compose), wanted


def matrix_last(factors: Sequence[Tensor]) -> bool:
    """Whether the last factor ``(out, r, 1, ...)`` maps r channels, position by position."""
    last = factors[-1]
    return len(factors) > 1 and last[0, 0].numel() == 1 and last.shape[1] == len(factors[-2])


def solve(place: Place, wanted: Quadratic) -> Tensor:
    """A few steps of conjugate gradients on one factor, the others held."""

    def normal(factor: Tensor) -> Tensor:
        return place.pull(wanted.image(place.push(factor)))

    x = place.factors[place.index]
    residual = place.pull(wanted.linear) - normal(x)
    direction, energy = residual, residual.square().sum()
    enough = 1e-12 * float(energy)
    for _ in range(STEPS):
        if float(energy) <= enough:
            break
        image = normal(direction)
        length = energy / (direction * image).sum().clamp_min(1e-30)
        x, residual = x + length * direction, residual - length * image
        fresh = residual.square().sum()
        direction, energy = residual + fresh / energy * direction, fresh
    return x
