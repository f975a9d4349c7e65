"""Tensor train over (in, height, width, out): 1x1, kx1, 1xk, 1x1 with three untied ranks.

TT-SVD (Oseledets 2011); the published method's three-mode train with tied ranks is Tucker-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats._spectrum import spectrum
from tenfold.formats.metric import Metric
from tenfold.values import Link, Real, Site


@dataclass(frozen=True)
class State:
    """The whitened weight as ``(in, height, width, out)`` and the tails of its unfoldings."""

    white: Tensor
    tails: tuple[Tensor, Tensor, Tensor]
    metric: Metric


class TensorTrain(Format):
    """The error is bounded by the sum of the three tails (Oseledets 2011, theorem 2.2)."""

    name = "tt"
    error_is = "bound"

    def refuses(self, site: Site) -> str | None:
        """Both axes of the window must have something to split."""
        if len(site.kernel) != 2 or min(site.kernel) == 1:
            return "a tensor train needs a two-dimensional kernel larger than 1 along both axes"
        return None

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The ranks of the three unfoldings."""
        height, width = site.kernel
        first, last = site.in_channels, site.out_channels
        return (
            min(first, height * width * last),
            min(first * height, width * last),
            min(first * height * width, last),
        )

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """``in -> r1``, ``k x 1`` to r2, ``1 x k`` to r3, ``r3 -> out``."""
        r1, r2, r3 = ranks
        return (
            Link(site.in_channels, r1),
            Link(r1, r2, (0,)),
            Link(r2, r3, (1,)),
            Link(r3, site.out_channels),
        )

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> State:
        """The spectra of the three unfoldings of the whitened weight."""
        white = metric.whiten(weight).permute(1, 2, 3, 0)
        first, second, third = (
            spectrum(white.flatten(k).flatten(0, k - 1)).tail() for k in (1, 2, 3)
        )
        return State(white, (first, second, third), metric)

    def errors(self, state: State, ranks: Tensor) -> Tensor:
        """The sum of what each unfolding loses (Oseledets 2011, theorem 2.2), at most 1."""
        total = sum(tail[ranks[:, k]] for k, tail in enumerate(state.tails))
        return torch.as_tensor(total).clamp(0, 1)

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(r1, in, 1, 1)``, ``(r2, r1, k, 1)``, ``(r3, r2, 1, k)``, ``(out, r3, 1, 1)``, by
        TT-SVD (Oseledets 2011, algorithm 1)."""
        _, height, width, m = state.white.shape
        r1, r2, r3 = ranks
        first, rest = _split(state.white.flatten(1), r1)
        second, rest = _split(rest.reshape(r1 * height, width * m), r2)
        third, last = _split(rest.reshape(r2 * width, m), r3)
        return (
            state.metric.lift_input(first.T)[..., None, None],
            second.reshape(r1, height, r2).permute(2, 0, 1)[..., None],
            third.reshape(r2, width, r3).permute(2, 0, 1)[:, :, None],
            state.metric.lift_output(last.T)[..., None, None],
        )


def _split(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Truncated SVD; ranks beyond the matrix's own, which a small earlier rank can cause, are
    filled with zeros."""
    left, right = spectrum(matrix).split(rank)
    missing = rank - left.shape[1]
    return pad(left, (0, missing)), pad(right, (0, 0, 0, missing))


FORMATS.add("tt", PerGroup(TensorTrain()))
