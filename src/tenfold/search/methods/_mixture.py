"""The published loss: mixtures of decompositions, and a price on their expected ranks.

A layer's weight is ``sum_r p_r What_r`` with ``p = softmax(alpha)`` over candidate ranks. As the
p sum to one, its squared error is ``p G p`` with G the Gram matrix of the candidates' residuals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

GAMMA = 0.4
RATE = 1e-3
MOMENTUM = 0.9
CLIP = 5.0


@dataclass(frozen=True)
class Candidates:
    """Ranks of every layer, padded: ``ranks`` and ``absent`` are layers x candidates."""

    ranks: Tensor
    absent: Tensor

    @classmethod
    def of(cls, ranks: Sequence[Sequence[int]]) -> Candidates:
        """Pad lists of candidate ranks."""
        rows = [torch.tensor(row, dtype=torch.float64) for row in ranks]
        padded = pad_sequence(rows, batch_first=True)
        return cls(padded, padded == 0)

    def probabilities(self, alphas: Tensor) -> Tensor:
        """Softmax over each layer's candidates."""
        return torch.softmax(alphas.masked_fill(self.absent, -torch.inf), 1)

    def rank_loss(self, p: Tensor, beta: float) -> Tensor:
        """``gamma sum_i (sum_r p_r r / max R_i)^beta`` (equation 5 of the paper)."""
        shares = (p * self.ranks).sum(1) / self.ranks.max(1).values
        return GAMMA * shares.pow(beta).sum()


def mixture_error(p: Tensor, grams: Tensor) -> Tensor:
    """``sum_i ||W_i - sum_r p_r What_r||^2``."""
    return torch.einsum("lc,lcd,ld->", p, grams, p)


def alpha_loss(candidates: Candidates, alphas: Tensor, grams: Tensor, beta: float) -> Tensor:
    """Equation 7 without data: the reconstruction error in the place of the validation loss."""
    p = candidates.probabilities(alphas)
    return mixture_error(p, grams) * candidates.rank_loss(p, beta)


def weight_loss(
    candidates: Candidates, alphas: Tensor, residuals: Sequence[Tensor], beta: float
) -> Tensor:
    """Equation 6, whose gradient goes to the factors."""
    p = candidates.probabilities(alphas.detach())
    mixed = [row[: len(r)].to(r) @ r for row, r in zip(p, residuals)]
    error = torch.stack([m.square().sum() for m in mixed]).sum()
    return error * candidates.rank_loss(p, beta)


class Descent:
    """SGD with Nesterov momentum and clipped gradients, the published optimiser."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters = parameters
        self.sgd = torch.optim.SGD(parameters, RATE, momentum=MOMENTUM, nesterov=True)

    def step(self, loss: Tensor) -> None:
        """One step down."""
        self.sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.sgd.step()
