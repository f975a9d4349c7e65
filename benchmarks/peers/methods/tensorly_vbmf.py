"""Tucker-2 by tensorly at ranks from variational Bayes (Kim et al. 2016): the usual recipe.

Ranks come from the analytic solution on both channel unfoldings, as in Kim et al.; linear layers
and 1x1 convolutions, which are matrices, are cut at the rank of theirs. VBMF knows no budget: one
factor scales all ranks. tensorly has no VBMF, so the ranks are those of tenfold's.
"""

from __future__ import annotations

import copy

import tensorly
import torch
from tensorly.decomposition import partial_tucker
from torch import nn

from benchmarks.peers.budget import Budget, Shrunk, turn
from benchmarks.peers.cases import Case
from benchmarks.peers.methods._factored import Layer, factorable, replaced
from tenfold.search.methods.vbmf import evbmf_rank

LEAST, SPAN = 0.02, 2500.0  # of the factor: from 0.02 to 50


def shrink(case: Case, budget: Budget) -> Shrunk:
    """All layers at one factor of their VBMF ranks."""
    tensorly.set_backend("pytorch")
    ranks = {name: ranks_of(layer.weight.detach()) for name, layer in factorable(case.model)}

    def make(knob: float) -> nn.Module:
        factor = LEAST * SPAN**knob
        return replaced(
            copy.deepcopy(case.model), lambda name, layer: cut(layer, ranks[name], factor)
        )

    return turn(make, budget)


def ranks_of(weight: torch.Tensor) -> tuple[int, ...]:
    """VBMF ranks of outputs and inputs; of a matrix, its one rank."""
    flat = weight.flatten(1)
    if weight.ndim == 2 or flat.shape[1] == weight.shape[1]:
        return (evbmf_rank(flat),)
    return evbmf_rank(flat), evbmf_rank(weight.transpose(0, 1).flatten(1))


@torch.no_grad()
def cut(layer: Layer, ranks: tuple[int, ...], factor: float) -> nn.Module:
    """The layer as a chain at these ranks times the factor."""
    sizes = layer.weight.shape[:2]
    kept = [max(1, min(round(r * factor), n)) for r, n in zip(ranks, sizes)]
    if len(kept) == 2:
        assert isinstance(layer, nn.Conv2d)
        return tucker(layer, kept)
    return matrix(layer, min(kept[0], *sizes))


def tucker(conv: nn.Conv2d, ranks: list[int]) -> nn.Module:
    """1x1, kxk at the core's ranks, 1x1."""
    (core, (out, inner)), _ = partial_tucker(conv.weight.detach(), rank=ranks, modes=[0, 1])
    first = nn.Conv2d(conv.in_channels, ranks[1], 1, bias=False)
    middle = nn.Conv2d(
        ranks[1], ranks[0], conv.kernel_size, conv.stride, conv.padding, conv.dilation, bias=False
    )
    last = nn.Conv2d(ranks[0], conv.out_channels, 1, bias=conv.bias is not None)
    first.weight.copy_(inner.T[..., None, None])
    middle.weight.copy_(core)
    last.weight.copy_(out[..., None, None])
    return with_bias(nn.Sequential(first, middle, last), conv)


def matrix(layer: Layer, rank: int) -> nn.Module:
    """Two layers in place of one whose weight is a matrix."""
    u, s, v = tensorly.truncated_svd(layer.weight.detach().flatten(1), n_eigenvecs=rank)
    root = s.sqrt()
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        pair: list[nn.Module] = [
            nn.Linear(layer.in_features, rank, bias=False),
            nn.Linear(rank, layer.out_features, bias=bias),
        ]
    else:
        pair = [
            nn.Conv2d(layer.in_channels, rank, 1, layer.stride, layer.padding, bias=False),
            nn.Conv2d(rank, layer.out_channels, 1, bias=bias),
        ]
    for module, weight in zip(pair, (root[:, None] * v, u * root)):
        module.weight.copy_(weight.reshape(module.weight.shape))
    return with_bias(nn.Sequential(*pair), layer)


def with_bias(chain: nn.Sequential, layer: Layer) -> nn.Module:
    """The layer's bias goes into the last link."""
    if layer.bias is not None:
        chain[-1].bias.copy_(layer.bias)
    return chain
