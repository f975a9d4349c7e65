"""What is asked of a weight, as a quadratic in it, and of a part of the weight when the rest holds.

``sum ||G^1/2 (y - W x)||^2`` is ``tr G W M W' - 2 tr W (G C)'`` and a constant, with M the second
moment of the inputs ``x``, C their cross moment with the wanted outputs ``y`` and G the weight of
the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TINY = torch.finfo(torch.float32).tiny
JITTER = 1e-7  # mean eigenvalues
RIDGE = 0.01  # mean eigenvalues of M by which the original weight is held on to
PULL = 0.05  # the same, for every dimension that an input is short of


def pull_for(dimensions: int, inputs: int, rows: int) -> float:
    """The ridge for so many inputs of so many rows in all. Rows of one input are alike, but not the
    same, so that what is known lies between the two numbers; their geometric mean is taken."""
    return max(RIDGE, PULL * dimensions / max(1.0, (inputs * rows) ** 0.5))


@dataclass(frozen=True)
class Quadratic:
    """``tr L W R W' - 2 tr W B'`` in W ``(out, p)``: ``left`` L ``(out, out)`` or its diagonal,
    ``right`` R ``(p, p)``, ``linear`` B ``(out, p)``."""

    left: Tensor
    right: Tensor
    linear: Tensor

    def slope(self, weight: Tensor) -> tuple[float, Tensor]:
        """The value at a weight, and the gradient ``(out, p)``."""
        image = times(self.left, weight @ self.right)
        inner = image - 2 * self.linear
        return float((inner * weight).double().sum()), 2 * (image - self.linear)

    def before(self, last: Tensor) -> Quadratic:
        """The same in K, for ``W = last @ K``."""
        return Quadratic(last.T @ times(self.left, last), self.right, last.T @ self.linear)


@dataclass(frozen=True)
class Projected:
    """The least of ``tr L (W R W' - 2 W A')`` over U in ``W = U @ K``, as a function of K
    ``(r, p)`` (variable projection, Golub and Pereyra 1973). Which U that is does not depend on
    L."""

    left: Tensor
    right: Tensor
    aim: Tensor

    def slope(self, first: Tensor) -> tuple[float, Tensor]:
        """The value at K, and the gradient ``(r, p)``, for which U may be held."""
        image, reach = first @ self.right, self.aim @ first.T
        last = solved(image @ first.T, reach)
        weighed = times(self.left, last)
        value = -float((weighed * reach).double().sum())
        return value, 2 * (last.T @ weighed @ image - weighed.T @ self.aim)

    def last(self, first: Tensor) -> Tensor:
        """U ``(out, r)`` at K."""
        return solved(first @ self.right @ first.T, self.aim @ first.T)


def solved(inner: Tensor, reach: Tensor) -> Tensor:
    """U of ``U inner = reach``, for a moment ``inner`` ``(r, r)`` that may be nearly singular."""
    held = inner.double()
    held = held + JITTER * held.diagonal().mean().clamp_min(TINY) * torch.eye(len(held)).to(held)
    return torch.linalg.solve(held, reach.double().T).T.to(reach)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Wanted:
    """``tr L (W R W' - 2 W A')`` in W ``(out, p)``: outputs weighed by ``left`` L ``(out, out)`` or
    its diagonal, inputs by ``right`` R ``(p, p)``, and ``aim`` A ``(out, p)``."""

    left: Tensor
    right: Tensor
    aim: Tensor

    def at(self, weight: Tensor) -> float:
        """The value at a weight."""
        inner = times(self.left, weight @ self.right - 2 * self.aim)
        return float((inner * weight).double().sum())

    @property
    def whole(self) -> Quadratic:
        """As a quadratic in the whole weight."""
        return Quadratic(self.left, self.right, times(self.left, self.aim))

    @property
    def projected(self) -> Projected:
        """As a function of all but the last factor, a matrix."""
        return Projected(self.left, self.right, self.aim)


def ask(
    inputs: Tensor, cross: Tensor, outputs: Tensor, weight: Tensor, ridge: float = RIDGE
) -> Wanted:
    """From M ``(p, p)``, C ``(out, p)`` and G ``(out, out)``, with a ridge that pulls towards the
    original ``weight`` ``(out, p)`` where inputs say nothing. Moments of inputs count in units of
    their mean, so that their scale does not matter."""
    size = inputs.diagonal().mean().clamp_min(TINY)
    inputs, cross = inputs / size, cross / size
    held = inputs + ridge * torch.eye(len(inputs), dtype=inputs.dtype)
    return Wanted(outputs, held, cross + ridge * weight)


def times(left: Tensor, x: Tensor) -> Tensor:
    """A matrix, or one by its diagonal, times another."""
    return left @ x if left.ndim == 2 else left[:, None] * x
