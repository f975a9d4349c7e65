"""Spatial SVD: kx1 to r channels, then 1xk (Jaderberg et al. 2014, scheme 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats._spectrum import spectrum
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


FORMATS.add("spatial", PerGroup(SpatialSvd()))
