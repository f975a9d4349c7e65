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

    def at(self, weight: Tensor) -> float:
        """The value at a weight."""
        inner = times(self.left, weight @ self.right) - 2 * self.linear
        return float((inner * weight).double().sum())

    def image(self, weight: Tensor) -> Tensor:
        """Half the gradient of the quadratic part."""
        return times(self.left, weight @ self.right)

    def after(self, first: Tensor) -> Quadratic:
        """The same in U, for ``W = U @ first``."""
        return Quadratic(self.left, first @ self.right @ first.T, self.linear @ first.T)

    def before(self, last: Tensor) -> Quadratic:
        """The same in K, for ``W = last @ K``."""
        return Quadratic(last.T @ times(self.left, last), self.right, last.T @ self.linear)


def ask(
    inputs: Tensor, cross: Tensor, outputs: Tensor, weight: Tensor, ridge: float = RIDGE
) -> Quadratic:
    """From M ``(p, p)``, C ``(out, p)`` and G ``(out, out)``, with a ridge that pulls towards the
    original ``weight`` ``(out, p)`` where inputs say nothing. Moments of inputs count in units of
    their mean, so that their scale does not matter."""
    size = inputs.diagonal().mean().clamp_min(TINY)
    inputs, cross, pull = inputs / size, cross / size, ridge
    held = inputs + pull * torch.eye(len(inputs), dtype=inputs.dtype)
    return Quadratic(outputs, held, times(outputs, cross + pull * weight))


def times(left: Tensor, x: Tensor) -> Tensor:
    """A matrix, or one by its diagonal, times another."""
    return left @ x if left.ndim == 2 else left[:, None] * x
