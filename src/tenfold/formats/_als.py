"""Canonical polyadic decomposition by extrapolated alternating least squares.

For T (p, window, s), contracting T with the last factor once serves the updates of the first and
of the window's factors; contracting it with the first serves the last: two products a sweep. The
window may be one mode or several (height and width); only its own short Khatri-Rao product is
formed, and the largest buffer is (p, window, rank). Kolda and Bader 2009, section 3.4;
extrapolation between sweeps with a restart whenever the error rises after Ang, Cohen, Hien and
Gillis 2020; ridge, which bounds the norms, after Lim and Comon 2009.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from tenfold.formats._spectrum import spectrum

RIDGE = 1e-3  # times the mean diagonal of the Gram product: singles are precise enough with it
TINY = 1e-30
STALL = 1e-4  # relative fall of the squared error over a window below which sweeps stop
WINDOW = 10  # sweeps
STEP, GROWTH, SHRINK, LIMIT = 0.5, 1.05, 0.7, 0.98  # of the extrapolation


@dataclass(frozen=True)
class Cp:
    """Factors ``(p, r)``, one ``(k, r)`` a window mode, ``(s, r)``; relative squared error."""

    factors: tuple[Tensor, ...]
    error: float

    @property
    def rank(self) -> int:
        """Number of components."""
        return self.factors[0].shape[1]


def fit(tensor: Tensor, start: Cp, sweeps: int) -> Cp:
    """Improve a start; the best iterate seen is returned, so never NaN nor worse than it."""
    energy = float(tensor.double().square().sum())
    best, ahead, step = start, start.factors, STEP
    seen = [start.error]
    for _ in range(sweeps if energy else 0):
        trial = sweep(tensor, ahead, energy)
        if trial.error < best.error:  # NaN compares false
            ahead = tuple(x + step * (x - old) for x, old in zip(trial.factors, best.factors))
            best, step = trial, min(LIMIT, step * GROWTH)
        elif ahead is best.factors:
            break  # a plain sweep does not help either
        else:
            ahead, step = best.factors, step * SHRINK
        seen.append(best.error)
        if len(seen) > WINDOW and seen[-WINDOW - 1] - best.error < STALL * best.error:
            break
    return best


def sweep(tensor: Tensor, factors: tuple[Tensor, ...], energy: float) -> Cp:
    """One round over all modes, with the error it reaches."""
    _, *short, c = factors
    by_last = tensor @ c  # (p, window, r)
    cc = c.T @ c
    a = solve((by_last * khatri_rao(short)).sum(1), gram(short) * cc)
    aa = a.T @ a
    short = update_window((by_last * a.unsqueeze(1)).sum(0), short, aa * cc)
    by_first = torch.tensordot(tensor, a, dims=([0], [0]))  # (window, s, r)
    right = (by_first * khatri_rao(short).unsqueeze(1)).sum(0)
    rest = aa * gram(short)
    c = solve(right, rest)
    cross = (right.double() * c.double()).sum()
    square = (rest.double() * (c.T @ c).double()).sum()
    error = max(0.0, float((energy - 2 * cross + square) / energy))
    return Cp(balance((a, *short, c)), error)


def update_window(right: Tensor, short: list[Tensor], others: Tensor) -> list[Tensor]:
    """Least squares for each short mode in turn; ``right`` is ``(window, r)``."""
    right = right.unflatten(0, [len(b) for b in short])
    for mode in range(len(short)):
        folded, gram_rest = right.movedim(mode, 0), others
        for other in reversed([b for k, b in enumerate(short) if k != mode]):
            folded = (folded * other).sum(-2)
            gram_rest = gram_rest * (other.T @ other)
        short = [*short[:mode], solve(folded, gram_rest), *short[mode + 1 :]]
    return short


def khatri_rao(short: list[Tensor]) -> Tensor:
    """Column-wise product of the window's factors, ``(window, r)``."""
    product = short[0]
    for other in short[1:]:
        product = (product.unsqueeze(1) * other).flatten(0, 1)
    return product


def gram(short: list[Tensor]) -> Tensor:
    """Gram matrix of the window's Khatri-Rao product, from the factors' own."""
    return torch.stack([b.T @ b for b in short]).prod(0)


def solve(right: Tensor, gram: Tensor) -> Tensor:
    """``right @ inverse(gram + ridge)`` for a positive semi-definite Gram matrix."""
    held = gram.clone()
    held.diagonal().add_(RIDGE * gram.diagonal().mean() + TINY)
    lower, failed = torch.linalg.cholesky_ex(held)
    if int(failed):
        return torch.linalg.lstsq(held.double(), right.T.double()).solution.T.to(right)
    return torch.cholesky_solve(right.T, lower).T


def balance(factors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Spread each component's norm evenly over its vectors."""
    norms = torch.stack([x.norm(dim=0) for x in factors]).clamp_min(1e-20)
    even = norms.log().mean(0).exp()
    return tuple(x * (even / norm) for x, norm in zip(factors, norms))


def measured(tensor: Tensor, factors: tuple[Tensor, ...]) -> Cp:
    """Factors with ``||T - [[A, B, C]]||^2 / ||T||^2`` from inner products, in float64."""
    a, *short, c = factors
    energy = float(tensor.double().square().sum())
    if not energy:
        return Cp(factors, 0.0)
    cross = ((tensor @ c) * khatri_rao(short) * a.unsqueeze(1)).double().sum()
    square = ((a.T @ a).double() * gram(short).double() * (c.T @ c).double()).sum()
    return Cp(factors, max(0.0, float((energy - 2 * cross + square) / energy)))


def start_from_svd(tensor: Tensor, rank: int, window: tuple[int, ...]) -> Cp:
    """The strongest singular pairs of the window slices, each living at its own position.

    An exact rank-one term of ``T[:, w, :]`` is one of T with a unit vector along the window;
    the sweeps then let it spread.
    """
    slices = [spectrum(tensor[:, w, :]) for w in range(tensor.shape[1])]
    kept = min(rank, *tensor.shape[::2])
    pairs = [trial.split(kept) for trial in slices]
    strength = torch.cat([trial.energies[:kept] for trial in slices])
    order = strength.argsort(descending=True)[:rank]
    first = torch.cat([left for left, _ in pairs], 1)[:, order]
    last = torch.cat([right.T for _, right in pairs], 1)[:, order]
    where = torch.unravel_index(order // kept, window)
    short = [one_hot(axis, size).T.to(tensor) for axis, size in zip(where, window)]
    return measured(tensor, balance((first, *short, last)))


def grow(tensor: Tensor, small: Cp, rank: int, window: tuple[int, ...]) -> Cp:
    """A start of a larger rank: the smaller fit plus the strongest terms of what it leaves."""
    a, *short, c = small.factors
    left = tensor - torch.einsum("pr,wr,sr->pws", a, khatri_rao(short), c)
    more = start_from_svd(left, rank - small.rank, window)
    return measured(tensor, tuple(torch.cat(pair, 1) for pair in zip(small.factors, more.factors)))


def within(tensor: Tensor, fit: Cp) -> Cp:
    """A fit of another corner of the same tensor as one of this corner: rows are cut, or zeros."""
    first, *short, last = fit.factors
    sizes = tensor.shape[0], tensor.shape[2]
    first, last = (resized(x, size) for x, size in zip((first, last), sizes))
    return measured(tensor, (first, *short, last))


def resized(factor: Tensor, rows: int) -> Tensor:
    """The first rows, followed by zeros."""
    return pad(factor[:rows], (0, 0, 0, max(0, rows - len(factor))))
