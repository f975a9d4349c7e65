"""Fit a chain's factors to a quadratic objective in the weight they compose.

``tr G (W M W' - 2 W C')`` is what ``sum ||G^1/2 (y - W x)||^2`` comes to with M the second moment
of the inputs ``x`` and C their cross moment with the wanted outputs ``y``. W is linear in each
factor alone, so one factor at a time is solved by conjugate gradients (Hestenes and Stiefel
1952); alternating over them never raises the objective. Any format that composes is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 0.01  # mean eigenvalues of M by which the original weight is held on to
SWEEPS = 12  # over the factors
STEPS = 12  # of conjugate gradients a factor
WORK = 4e11  # multiply-accumulates a layer at most: the largest get fewer sweeps

Compose = Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Moments:
    """``inputs`` M ``(p, p)``, ``cross`` C ``(out, p)``, ``outputs`` G ``(out, out)``."""

    inputs: Tensor
    cross: Tensor
    outputs: Tensor

    def pulled(self, weight: Tensor, ridge: float = RIDGE) -> Moments:
        """With a ridge that pulls towards ``weight`` ``(out, p)`` where inputs say nothing."""
        pull = ridge * self.inputs.diagonal().mean() + 1e-12
        inputs = self.inputs + pull * torch.eye(len(self.inputs))
        return Moments(inputs, self.cross + pull * weight, self.outputs)

    def objective(self, weight: Tensor) -> float:
        """The quadratic at a weight ``(out, p)``."""
        pulled = weight @ self.inputs - 2 * self.cross
        return float(((self.outputs @ pulled) * weight).double().sum())


@torch.no_grad()
def fit(factors: Sequence[Tensor], compose: Compose, moments: Moments) -> list[Tensor]:
    """Better factors of the same shapes; those given where none are found."""
    found = [factor.clone() for factor in factors]
    for _ in range(sweeps_for(moments)):
        for index in reversed(range(len(found))):
            found[index] = solve(found, index, compose, moments)
    before, after = (moments.objective(compose(x).flatten(1)) for x in (factors, found))
    return found if after < before else list(factors)  # NaN compares false


def sweeps_for(moments: Moments) -> int:
    """Sweeps that the work allowed pays for, two at least."""
    rows, columns = moments.cross.shape
    return max(2, min(SWEEPS, int(WORK / (3 * STEPS * rows * columns * (rows + columns)))))


def solve(
    factors: Sequence[Tensor], index: int, compose: Compose, moments: Moments
) -> Tensor:  # fmt: skip
    """A few steps of conjugate gradients on one factor, the others held."""
    place = Place(factors, index, compose)
    x = factors[index]
    residual = place.pull(moments.outputs @ moments.cross) - place.normal(x, moments)
    direction, energy = residual, residual.square().sum()
    enough = 1e-12 * float(energy)
    for _ in range(STEPS):
        if float(energy) <= enough:
            break
        image = place.normal(direction, moments)
        length = energy / (direction * image).sum().clamp_min(1e-30)
        x, residual = x + length * direction, residual - length * image
        fresh = residual.square().sum()
        direction, energy = residual + fresh / energy * direction, fresh
    return x


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

    def normal(self, factor: Tensor, moments: Moments) -> Tensor:
        """Half the gradient of the quadratic part at a factor."""
        return self.pull(moments.outputs @ (self.push(factor) @ moments.inputs))
