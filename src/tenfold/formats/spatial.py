"""Spatial SVD: kx1 to r channels, then 1xk (Jaderberg et al. 2014, scheme 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tenfold.formats import _chain
from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats._spectrum import spectrum, tail
from tenfold.formats.metric import Metric
from tenfold.formats.svd import State
from tenfold.values import Link, Real, Site


class SpatialSvd(Format):
    """``(out * width) x (in * height)``: the exact SVD of that unfolding."""

    name = "spatial"
    error_is = "exact"

    def refuses(self, site: Site) -> str | None:
        """Both axes of the window must have something to split."""
        if len(site.kernel) != 2 or min(site.kernel) == 1:
            return "spatial SVD needs a two-dimensional kernel larger than 1 along both axes"
        return None

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The rank of the unfolding."""
        height, width = site.kernel
        return (min(site.out_channels * width, site.in_channels * height),)

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """``k x 1`` to r channels, then ``1 x k``."""
        (r,) = ranks
        return (Link(site.in_channels, r, (0,)), Link(r, site.out_channels, (1,)))

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> State:
        """The SVD of the whitened unfolding ``(out * width, in * height)``."""
        folded = metric.whiten(weight).permute(0, 3, 1, 2)  # out, width, in, height
        return State(spectrum(folded.flatten(2).flatten(0, 1)), folded.shape, metric)

    def errors(self, state: State, ranks: Tensor) -> Tensor:
        """Energy beyond the rank, exact (Eckart and Young 1936)."""
        return state.spectrum.tail()[ranks[:, 0]]

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(r, in, k, 1)`` and ``(out, r, 1, k)``, singular values shared evenly."""
        left, right = state.spectrum.split(ranks[0])
        down = right.unflatten(1, state.shape[2:]).unsqueeze(-1)  # r, in, height, 1
        across = left.unflatten(0, state.shape[:2]).permute(0, 2, 1).unsqueeze(2)
        return state.metric.lift_input(down), state.metric.lift_output(across)


@dataclass(frozen=True)
class Channels:
    """The SVD of every group's window: ``across @ down`` by falling energy."""

    across: Tensor  # (groups, out, width, r)
    down: Tensor  # (groups, r, in, height)
    energies: Tensor  # (r,), float64, of all groups together


class Spatial(PerGroup):
    """Also depthwise layers and their like, of which all groups are decomposed at once: they have
    hundreds."""

    def refuses(self, site: Site) -> str | None:
        """What is in the way in one group, however few its channels."""
        return self.one.refuses(site.group)

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> Any:
        """One SVD of a batch, where no metric tells the groups apart."""
        if not site.lone or metric.groups:
            return super().analyse(site, weight, metric)
        folded = weight.double().unflatten(0, (site.groups, -1)).permute(0, 1, 4, 2, 3)
        left, values, right = torch.linalg.svd(folded.flatten(3).flatten(1, 2), full_matrices=False)
        half = values.sqrt()
        across = (left * half.unsqueeze(1)).unflatten(1, folded.shape[1:3])
        down = (half.unsqueeze(2) * right).unflatten(2, folded.shape[3:])
        return Channels(across.float(), down.float(), values.square().sum(0))

    def errors(self, state: Any, ranks: Tensor) -> Tensor:
        """Energy beyond the rank in all groups together."""
        if not isinstance(state, Channels):
            return super().errors(state, ranks)
        return tail(state.energies)[ranks[:, 0]]

    def samples(self, state: Any, ranks: Tensor) -> Tensor:
        """All there are."""
        return ranks if isinstance(state, Channels) else super().samples(state, ranks)

    def factors(self, state: Any, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(groups * r, in, k, 1)`` and ``(groups * out, r, 1, k)``."""
        if not isinstance(state, Channels):
            return super().factors(state, ranks)
        down = state.down[:, : ranks[0]].flatten(0, 1)
        across = state.across[..., : ranks[0]].flatten(0, 1).transpose(1, 2)
        return down.unsqueeze(-1), across.unsqueeze(2)

    def sketch(self, state: Any, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """The factors themselves."""
        return self.factors(state, ranks)

    def dense(self, site: Site, ranks: Sequence[int], factors: Sequence[Tensor]) -> Tensor:
        """The weight ``(out, in / groups, *kernel)``."""
        if not site.lone:
            return super().dense(site, ranks, factors)
        down, across = factors
        return _chain.after(down, across, site.groups)


FORMATS.add("spatial", Spatial(SpatialSvd()))
