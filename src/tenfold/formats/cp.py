"""CP: 1x1 to r channels, depthwise, 1x1 out (Lebedev et al. 2015; Astrid and Lee 2017).

``cp`` keeps the kernel as one mode, a depthwise kxk; ``cp-separable`` splits it into depthwise
kx1 and 1xk, fewer numbers for a layer more. Whitening acts on the channel modes only, so the
decomposition of the whitened weight, unwhitened, has the same rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tenfold.formats import _als
from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats._hosvd import leading
from tenfold.formats.metric import Metric
from tenfold.machine.tensors import in_order
from tenfold.values import Link, Real, Site

KNOTS = 9  # ranks at which the curve is computed; the rest is interpolated
HIGHEST = 0.5  # of the limit: beyond, where a sweep costs most and few ranks are chosen, it goes on
CURVE_SWEEPS = 50  # at most, and fewer at ranks so large that a sweep costs much
CURVE_FLOPS = 4e9  # a knot
LEAST_SWEEPS = 6
SKETCH_SWEEPS = 15  # from the step of the ladder below
FINAL_SWEEPS = 300  # at most
FINAL_FLOPS = 1e11  # a layer, which cuts the sweeps of layers from some 256 channels on
HALF_SWEEPS = 30  # of a fit that only starts another


@dataclass(frozen=True)
class State:
    """The whitened weight ``(out, window, in)`` in the HOSVD bases of both channel modes, which
    takes nothing from it, so that a small rank can be sought among the leading vectors alone; the
    window's modes, and the metric."""

    core: Tensor
    bases: tuple[Tensor, Tensor]  # (out, out) and (in, in)
    tails: tuple[Tensor, Tensor]  # energy beyond so many vectors of each, a share
    window: tuple[int, ...]
    kernel: tuple[int, ...]
    limit: int
    metric: Metric

    @cached_property
    def ladder(self) -> dict[int, _als.Cp]:
        """Warm-started fits at a few rising ranks, evenly spaced in the logarithm."""
        top = max(1, round(HIGHEST * self.limit))
        ranks = sorted({round(top ** (k / (KNOTS - 1))) for k in range(KNOTS)})
        fits: dict[int, _als.Cp] = {}
        for rank in ranks:
            if fits and fits[max(fits)].rank < rank:
                fits[rank] = self.grown(fits[max(fits)], rank, self.sweeps(rank))
            else:
                corner = self.corner(rank)
                start = _als.start_from_svd(corner, rank, self.window)
                fits[rank] = _als.fit(corner, start, self.sweeps(rank))
        return {rank: self.judged(fit) for rank, fit in fits.items()}

    def corner(self, rank: int) -> Tensor:
        """The core among leading vectors, as many that what lies beyond them is no more than what
        any approximation of this rank loses."""
        lost = max(float(tail[min(rank, len(tail) - 1)]) for tail in self.tails) / 2
        p, s = (max(rank, int((tail > lost).sum())) for tail in self.tails)
        return self.core[:p, :, :s]

    def judged(self, fit: _als.Cp) -> _als.Cp:
        """A fit of a corner, with its error on the whole, laid out as one read from disk."""
        sizes = [len(fit.factors[0]), len(fit.factors[-1])]
        corner = self.core[: sizes[0], :, : sizes[1]]
        whole = float(self.core.double().square().sum())
        share = float(corner.double().square().sum()) / whole if whole else 1.0
        factors = tuple(in_order(factor) for factor in fit.factors)
        return _als.Cp(factors, max(0.0, 1 - share * (1 - fit.error)))

    def sweeps(self, rank: int) -> int:
        """Sweeps for one knot; large ranks start close to the weight and are hardly ever chosen."""
        return within_work(CURVE_FLOPS, self.corner(rank), rank, LEAST_SWEEPS, CURVE_SWEEPS)

    def final_sweeps(self, rank: int) -> int:
        """Sweeps for the factors that are kept."""
        return within_work(FINAL_FLOPS, self.core, rank, CURVE_SWEEPS, FINAL_SWEEPS)

    def grown(self, before: _als.Cp, rank: int, sweeps: int) -> _als.Cp:
        """A fit that starts from one of a smaller rank."""
        corner = self.corner(rank)
        start = _als.grow(corner, _als.within(corner, before), rank, self.window)
        return _als.fit(corner, start, sweeps)

    def near(self, rank: int) -> _als.Cp:
        """A fit grown from the step of the ladder below; from nothing where there is no ladder."""
        steps = vars(self).get("ladder", {})
        below = max((step for step in steps if step <= rank), default=0)
        if not below:  # one group of many has no ladder, and is not worth climbing one
            return self.fit(rank, self.sweeps(rank))
        if below == rank:
            return steps[rank]
        return self.grown(steps[below], rank, min(SKETCH_SWEEPS, self.sweeps(rank)))

    def fit(self, rank: int, sweeps: int) -> _als.Cp:
        """A fit grown from one of half the rank, which ends nearer than one from singular pairs; in
        the corner first and then on the whole."""
        corner = self.corner(rank)
        half = _als.start_from_svd(corner, max(1, rank // 2), self.window)
        half = _als.fit(corner, half, min(sweeps, HALF_SWEEPS))
        start = _als.grow(corner, half, rank, self.window) if rank > 1 else half
        fit = _als.fit(corner, start, sweeps)
        if corner.shape == self.core.shape:
            return fit
        return _als.fit(self.core, _als.within(self.core, fit), sweeps)


class Cp(Format):
    """Canonical polyadic decomposition with the kernel window as one mode."""

    name = "cp"
    error_is = "estimate"

    def refuses(self, site: Site) -> str | None:
        """Without a window there is no third mode."""
        if site.window == 1:
            return "CP needs a spatial kernel; without one it is an SVD with a layer more"
        return None

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """Beyond these ranks the factors outnumber the weight (or it is reproduced exactly)."""
        sizes = (site.in_channels, site.out_channels, *self.modes(site))
        smaller = math.prod(sizes) // sum(sizes)
        return (max(1, min(smaller, math.prod(sizes) // max(sizes))),)

    def modes(self, site: Site) -> tuple[int, ...]:
        """The window's modes."""
        return (site.window,)

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """``in -> r``, a depthwise ``k x k`` on r channels, ``r -> out`` (Astrid and Lee 2017)."""
        (r,) = ranks
        return (
            Link(site.in_channels, r),
            Link(r, r, site.axes, groups=r),
            Link(r, site.out_channels),
        )

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> State:
        """Whitens and rotates; the fits are done when a curve or a sketch first asks for them."""
        white = metric.whiten(weight).flatten(2).transpose(1, 2)
        (limit,) = self.rank_limits(site)
        (rows, tail_out), (columns, tail_in) = leading(white, 0), leading(white, 2)
        core = torch.tensordot(rows, torch.tensordot(white, columns, dims=([2], [0])), ([0], [0]))
        bases, tails = (rows, columns), (tail_out, tail_in)
        return State(core, bases, tails, self.modes(site), site.kernel, limit, metric)

    def errors(self, state: State, ranks: Tensor) -> Tensor:
        """The ladder's errors, log error linear in log rank between its steps; beyond them linear
        in the rank, which falls less than the error does."""
        errors = torch.tensor([fit.error for fit in state.ladder.values()], dtype=torch.float64)
        return _interpolate(list(state.ladder), errors.cummin(0).values, ranks[:, 0])

    def dear(self, state: State) -> dict[str, Tensor]:
        """The ladder, if it was climbed."""
        fits: dict[int, _als.Cp] = vars(state).get("ladder", {})
        factors = {f"{r}.{k}": x for r, fit in fits.items() for k, x in enumerate(fit.factors)}
        errors = torch.tensor([fit.error for fit in fits.values()], dtype=torch.float64)
        return {**factors, **{f"{r}.error": error for r, error in zip(fits, errors)}}

    def resumed(self, state: State, dear: Mapping[str, Tensor]) -> State:
        """With the ladder that was kept, or the same state where none was."""
        ranks = sorted({int(name.split(".")[0]) for name in dear})
        count = len(state.window) + 2
        fits = {
            r: _als.Cp(tuple(dear[f"{r}.{k}"] for k in range(count)), float(dear[f"{r}.error"]))
            for r in ranks
        }
        if fits:
            vars(state)["ladder"] = fits
        return state

    def samples(self, state: State, ranks: Tensor) -> Tensor:
        """Steps of the ladder, whose fits exist already, among the ranks asked."""
        steps = torch.tensor([[rank] for rank in state.ladder if rank <= int(ranks.max())])
        return super().samples(state, steps)

    def sketch(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """A step of the ladder, or a few sweeps from one."""
        return self._kernels(state, state.near(ranks[0]))

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """Three kernels, ``(r, in, 1, 1)``, ``(r, 1, *kernel)``, ``(out, r, 1, 1)``, by alternating
        least squares (Kolda and Bader 2009, figure 3.3)."""
        return self._kernels(state, state.fit(ranks[0], state.final_sweeps(ranks[0])))

    def _kernels(self, state: State, fit: _als.Cp) -> tuple[Tensor, ...]:
        """The unwhitened factors as kernels of the chain."""
        last, *short, first = fit.factors
        ones = [1] * len(state.kernel)
        rows, columns = state.bases
        reduce = state.metric.lift_input((columns[:, : len(first)] @ first).T)
        expand = state.metric.lift_output(rows[:, : len(last)] @ last)
        return (
            reduce.reshape(*reduce.shape, *ones),
            *(self.depthwise(k, b, state.kernel) for k, b in enumerate(short)),
            expand.reshape(*expand.shape, *ones),
        )

    def depthwise(self, index: int, factor: Tensor, kernel: tuple[int, ...]) -> Tensor:
        """A window factor ``(k, r)`` as a depthwise kernel ``(r, 1, *kernel)``."""
        return factor.T.reshape(factor.shape[1], 1, *kernel)


class CpSeparable(Cp):
    """The same with height and width as two modes."""

    name = "cp-separable"

    def refuses(self, site: Site) -> str | None:
        """A window that is one long along an axis has nothing to separate."""
        if len(site.kernel) != 2 or min(site.kernel) == 1:
            return "separable CP needs a two-dimensional kernel larger than 1 along both axes"
        return None

    def modes(self, site: Site) -> tuple[int, ...]:
        """Height and width."""
        return site.kernel

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """``in -> r``, depthwise ``k x 1`` and ``1 x k`` on r channels, ``r -> out`` (Lebedev
        et al. 2015)."""
        (r,) = ranks
        return (
            Link(site.in_channels, r),
            Link(r, r, (0,), groups=r),
            Link(r, r, (1,), groups=r),
            Link(r, site.out_channels),
        )

    def depthwise(self, index: int, factor: Tensor, kernel: tuple[int, ...]) -> Tensor:
        """A factor ``(k, r)`` of one axis as a kernel ``(r, 1, k, 1)`` or ``(r, 1, 1, k)``."""
        shape = [1, 1]
        shape[index] = kernel[index]
        return factor.T.reshape(factor.shape[1], 1, *shape)


def within_work(flops: float, tensor: Tensor, rank: int, least: int, most: int) -> int:
    """As many sweeps over a tensor as the work pays for, within bounds."""
    return round(min(most, max(least, flops / (4 * rank * tensor.numel()))))


def _interpolate(knots: list[int], values: Tensor, ranks: Tensor) -> Tensor:
    """Piecewise linear in the logarithms, so a fit never reads as exact between two knots, then
    exponential in the rank."""
    steps = torch.tensor(knots, dtype=torch.float64)
    x, y = steps.log(), values.clamp(1e-12, 1).log()
    if len(knots) == 1:
        return y.exp().expand(len(ranks)).clone()
    at = ranks.double().log()
    right = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    inside = torch.lerp(y[right - 1], y[right], share.clamp(0, 1))
    slope = (y[-1] - y[-2]) / (steps[-1] - steps[-2])
    return (inside + slope * (ranks - steps[-1]).clamp_min(0)).exp()


FORMATS.add("cp", PerGroup(Cp()))
FORMATS.add("cp-separable", PerGroup(CpSeparable()))
