"""Baseline: ranks by analytic variational Bayes, scaled together until the budget holds.

Empirical variational Bayesian matrix factorisation keeps the singular values above a threshold
that the noise alone sets (Nakajima, Sugiyama, Babacan and Tomioka 2013, theorem 2 and
corollary 1). On the mode unfoldings of a kernel it gives Tucker-2 ranks (Kim et al. 2016), on a
matrix the rank of an SVD. VBMF knows no budget, so all ranks are scaled by one factor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tenfold.curves.trace import Curve
from tenfold.formats import states_of
from tenfold.search.methods._base import METHODS, Outcome
from tenfold.search.methods._threshold import Wanted, scaled_to_fit
from tenfold.search.problem import Menu, Problem

TAU = 2.5129  # sqrt(alpha) times this approximates the root of the paper's equation 13
STEPS = 200  # of the one-dimensional search for the noise


def search(problem: Problem, seed: int) -> Outcome:
    """Tucker-2 where it serves, SVD elsewhere; the largest common scale that fits."""
    by_site = {menu.site.name: bayes_ranks(menu, problem.curves) for menu in problem.menus}
    return Outcome(scaled_to_fit(problem, {k: v for k, v in by_site.items() if v is not None}))


def bayes_ranks(menu: Menu, curves: Sequence[Curve]) -> Wanted | None:
    """Format and ranks by VBMF, or None for a site without Tucker-2 and SVD."""
    for name in ("tucker", "svd"):
        for curve in curves:
            if curve.site.name == menu.site.name and curve.format == name:
                return name, ranks_of(curve)
    return None


def ranks_of(curve: Curve) -> tuple[int, ...]:
    """The mean over the groups of a layer, most of which have one."""
    ranks = [ranks_of_group(curve.format, state) for state in states_of(curve.state)]
    return tuple(round(sum(values) / len(values)) for values in zip(*ranks))


def ranks_of_group(name: str, state: Any) -> tuple[int, ...]:
    """VBMF on both channel unfoldings for Tucker-2, on the folded matrix for SVD."""
    if name == "tucker":
        outputs = state.core.transpose(0, 1).flatten(1)
        return evbmf_rank(state.core.flatten(1)), evbmf_rank(outputs)
    return (evbmf_rank(state.spectrum.matrix),)


def evbmf_rank(matrix: Tensor) -> int:
    """Number of singular values that the analytic solution keeps, at least 1."""
    rows, columns = sorted(matrix.shape)
    energies = torch.linalg.svdvals(matrix.double()).square().clamp_min(1e-30)
    alpha = rows / columns
    tau = TAU * math.sqrt(alpha)
    edge = (1 + tau) * (1 + alpha / tau)
    noise = noise_variance(energies, columns, alpha, edge)
    return max(1, int((energies > columns * noise * edge).sum()))


def noise_variance(energies: Tensor, columns: int, alpha: float, edge: float) -> float:
    """The minimiser of the free energy over its bracket (equations 17 and 18 of the paper)."""
    rows = len(energies)
    upper = float(energies.sum()) / (rows * columns)
    most = max(0, min(math.ceil(rows / (1 + alpha)) - 1, rows - 1))
    lower = max(float(energies[most]) / (columns * edge), float(energies[most:].mean()) / columns)
    lower = max(min(lower, upper), 1e-30)
    tried = torch.logspace(math.log10(lower), math.log10(max(upper, lower)), STEPS).double()
    values = torch.stack([free_energy(energies / (columns * s), alpha, edge) for s in tried])
    return float(tried[int(values.argmin())])


def free_energy(x: Tensor, alpha: float, edge: float) -> Tensor:
    """Free energy per column up to constants; ``x`` are energies in units of the noise."""
    kept = x > edge
    y = x[kept]
    tau = 0.5 * (y - (1 + alpha) + ((y - (1 + alpha)).square() - 4 * alpha).clamp_min(0).sqrt())
    gain = ((tau + 1).log() + alpha * (tau / alpha + 1).log() - tau).sum()
    return (x - x.log()).sum() + gain


METHODS.add("vbmf", search)
