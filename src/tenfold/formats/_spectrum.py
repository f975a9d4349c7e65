"""Truncated SVD through the smaller Gram matrix: no full factor is ever formed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 2**24  # numbers that are held in float64 at once


@dataclass(frozen=True)
class Spectrum:
    """Left singular vectors of a matrix ``(p, q)`` and the energy that each one carries.

    When ``p > q`` the basis is that of the rows instead, so vectors are at most
    ``min(p, q)`` long and many.
    """

    matrix: Tensor
    basis: Tensor  # (min(p, q), min(p, q)), columns by falling energy
    energies: Tensor  # squared singular values, float64, falling

    @property
    def tall(self) -> bool:
        """Whether the basis spans rows' space (columns of the matrix are fewer)."""
        return self.matrix.shape[0] > self.matrix.shape[1]

    def tail(self) -> Tensor:
        """Relative squared error of rank 0, 1, ..., exact: ``(min(p, q) + 1,)``, float64."""
        return tail(self.energies)

    def split(self, rank: int) -> tuple[Tensor, Tensor]:
        """Balanced factors ``(p, rank)`` and ``(rank, q)`` of the best rank-r approximation."""
        basis = self.basis[:, :rank].to(self.matrix)
        scale = self.energies[:rank].clamp_min(1e-30).pow(0.25).to(self.matrix)
        if self.tall:
            return (self.matrix @ basis) / scale, (basis * scale).T
        return basis * scale, (basis.T @ self.matrix) / scale[:, None]


def tail(energies: Tensor) -> Tensor:
    """Relative squared error of rank 0, 1, ... from falling squared singular values ``(n,)``:
    ``(n + 1,)``."""
    kept = torch.cat([energies.new_zeros(1), energies.cumsum(0)])
    return (1 - kept / kept[-1].clamp_min(1e-300)).clamp_min(0)


def spectrum(matrix: Tensor) -> Spectrum:
    """Eigen-decomposition, in float64, of the smaller of the two Gram matrices."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    values, vectors = torch.linalg.eigh(gram(wide))
    return Spectrum(matrix, vectors.flip(1), values.flip(0).clamp_min(0))


def gram(wide: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """``wide @ wide.T`` in float64, or in the type told, some columns at a time: a table has
    hundreds of thousands."""
    total = wide.new_zeros(len(wide), len(wide), dtype=dtype)
    for part in wide.split(max(1, CHUNK // max(1, len(wide))), 1):
        exact = part.to(dtype)
        total += exact @ exact.T
    return total
