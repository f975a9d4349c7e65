"""CP by alternating least squares: against tensorly, on hard starts, and at its limits."""

from __future__ import annotations

import pytest
import torch

from tenfold.formats import _als


def tensor(p=24, w=9, s=20, rank=None, seed=0, noise=0.0):
    generator = torch.Generator().manual_seed(seed)
    if rank is None:
        return torch.randn(p, w, s, generator=generator)
    a, b, c = (torch.randn(n, rank, generator=generator) for n in (p, w, s))
    exact = torch.einsum("pr,wr,sr->pws", a, b, c)
    return exact + noise * exact.std() * torch.randn(exact.shape, generator=generator)


def fitted(x, rank, window=(9,), sweeps=300):
    return _als.fit(x, _als.start_from_svd(x, rank, window), sweeps)


def true_error(x, fit):
    a, *short, c = fit.factors
    again = torch.einsum("pr,wr,sr->pws", a, _als.khatri_rao(short), c)
    return float((x - again).square().sum() / x.square().sum())


@pytest.mark.parametrize("window", [(9,), (3, 3)])
@pytest.mark.parametrize("rank", [1, 5, 30, 90])
def test_the_error_it_reports_is_the_error_it_has(rank, window):
    x = tensor()
    fit = fitted(x, rank, window)
    assert fit.error == pytest.approx(true_error(x, fit), rel=1e-2, abs=1e-5)


def test_a_tensor_of_low_rank_is_recovered():
    assert fitted(tensor(rank=4), 4, sweeps=500).error < 1e-4


@pytest.mark.parametrize("rank", [3, 8, 16])
def test_it_is_at_least_as_good_as_tensorly(rank):
    tensorly = pytest.importorskip("tensorly")
    tensorly.set_backend("pytorch")
    from tensorly.decomposition import parafac

    x = tensor(rank=12, noise=0.3)
    theirs = parafac(x, rank, n_iter_max=100, init="svd", tol=1e-8)
    their_error = float((x - tensorly.cp_to_tensor(theirs)).square().sum() / x.square().sum())
    assert fitted(x, rank).error <= their_error * 1.03 + 1e-6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["random", "tiny", "huge", "collinear", "rank-deficient", "zero"])
def test_never_nan_and_never_worse_than_the_start(kind, seed):
    x = {
        "random": tensor(seed=seed),
        "tiny": 1e-18 * tensor(seed=seed),
        "huge": 1e15 * tensor(seed=seed),
        "collinear": tensor(rank=1, seed=seed, noise=1e-4),
        "rank-deficient": tensor(rank=2, seed=seed),
        "zero": torch.zeros(24, 9, 20),
    }[kind]
    start = _als.start_from_svd(x, 12, (9,))
    fit = _als.fit(x, start, 60)
    assert all(bool(torch.isfinite(f).all()) for f in fit.factors)
    assert fit.error <= start.error


def test_norms_stay_bounded_where_no_best_fit_exists():
    """The limit of rank-2 tensors of rank 3 (de Silva and Lim 2008): plain ALS diverges."""
    a, b = torch.eye(6)[0], torch.eye(6)[1]
    pairs = [(a, a, b), (a, b, a), (b, a, a)]
    x = sum(torch.einsum("i,j,k->ijk", *p) for p in pairs)
    fit = _als.fit(x, _als.start_from_svd(x, 2, (6,)), 2000)
    assert max(float(f.norm()) for f in fit.factors) < 100
    assert fit.error < 0.5


def test_a_larger_rank_grown_from_a_smaller_one_is_no_worse():
    x = tensor()
    small = fitted(x, 10, sweeps=50)
    grown = _als.grow(x, small, 20, (9,))
    assert grown.rank == 20
    assert grown.error <= small.error
