"""Two matrices in place of one: truncated SVD of either folding of the kernel.

``svd`` folds the kernel into the input (Zhang et al. 2016, section 3): a k x k convolution to
r channels, then 1x1. ``svd-in`` folds it into the output: 1x1 to r channels, then k x k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats._spectrum import Spectrum, spectrum
from tenfold.formats.metric import Metric, along
from tenfold.values import Link, Real, Site


@dataclass(frozen=True)
class State:
    """The spectrum of the folded, whitened weight, its shape, and the metric to undo."""

    spectrum: Spectrum
    shape: torch.Size
    metric: Metric


class _Svd(Format):
    """What both foldings share."""

    error_is = "exact"

    def errors(self, state: State, ranks: Tensor) -> Tensor:
        """Energy beyond the rank, exact (Eckart and Young 1936)."""
        return state.spectrum.tail()[ranks[:, 0]]


class SvdOut(_Svd):
    """``(out) x (in * window)``: k x k first, 1x1 after. Linear and 1x1 layers use this one."""

    name = "svd"

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The rank of ``(out, in * window)``."""
        return (min(site.out_channels, site.in_channels * site.window),)

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """``k x k`` to r channels, then 1x1."""
        (r,) = ranks
        return (Link(site.in_channels, r, site.axes), Link(r, site.out_channels))

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> State:
        """The SVD of the unfolding, whitened by the second moments of whole patches where the
        metric has them (Zhang et al. 2016, section 3), else by those of the channels."""
        if metric.patches is None:
            matrix = metric.whiten(weight).flatten(1)
        else:
            outputs = metric.outputs.root if metric.outputs else None
            matrix = along(weight.float().flatten(1), 0, outputs) @ metric.patches.root
        return State(spectrum(matrix), weight.shape, metric)

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(r, in, *kernel)`` and ``(out, r, 1, 1)``."""
        left, right = state.spectrum.split(ranks[0])
        if state.metric.patches is not None:
            first = (right @ state.metric.patches.inverse).unflatten(1, state.shape[1:])
        else:
            first = state.metric.lift_input(right.unflatten(1, state.shape[1:]))
        last = state.metric.lift_output(left)
        return first, last.reshape(*last.shape, *(1 for _ in state.shape[2:]))


class SvdIn(_Svd):
    """``(out * window) x (in)``: 1x1 first, k x k after."""

    name = "svd-in"

    def refuses(self, site: Site) -> str | None:
        """One folding of a matrix is enough."""
        if site.window == 1:
            return "a layer without a spatial kernel has one folding only, which 'svd' serves"
        return None

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The rank of ``(out * window, in)``."""
        return (min(site.out_channels * site.window, site.in_channels),)

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """1x1 to r channels, then ``k x k``."""
        (r,) = ranks
        return (Link(site.in_channels, r), Link(r, site.out_channels, site.axes))

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> State:
        """The SVD of the whitened unfolding ``(out * window, in)``."""
        folded = metric.whiten(weight).movedim(1, -1)
        return State(spectrum(folded.flatten(0, -2)), folded.shape, metric)

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(r, in, 1, 1)`` and ``(out, r, *kernel)``."""
        left, right = state.spectrum.split(ranks[0])
        first = state.metric.lift_input(right)
        last = left.unflatten(0, state.shape[:-1]).movedim(-1, 1)
        return first.reshape(*first.shape, *(1 for _ in state.shape[1:-1])), (
            state.metric.lift_output(last)
        )


FORMATS.add("svd", PerGroup(SvdOut()))
FORMATS.add("svd-in", PerGroup(SvdIn()))
