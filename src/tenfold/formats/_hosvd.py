"""Orthonormal bases of the mode unfoldings (De Lathauwer et al. 2000), which formats share."""

from __future__ import annotations

import torch
from torch import Tensor


def leading(white: Tensor, mode: int) -> tuple[Tensor, Tensor]:
    """Left singular vectors of a mode unfolding ``(n, n)``, strongest first, and the share of the
    energy beyond the first 0, 1, ..., n of them."""
    unfolded = white.movedim(mode, 0).flatten(1)
    values, vectors = torch.linalg.eigh(unfolded @ unfolded.T)
    energies = values.flip(0).clamp_min(0).double()
    beyond = energies.flip(0).cumsum(0).flip(0) / energies.sum().clamp_min(1e-300)
    return vectors.flip(1), torch.cat([beyond, beyond.new_zeros(1)])
