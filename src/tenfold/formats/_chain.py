"""A chain of links priced as operations, built as stock layers, or composed to one weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tenfold.layers import LAYERS
from tenfold.values import Call, Link, Op, Site


def price(site: Site, chain: Sequence[Link]) -> tuple[Op, ...]:
    """One operation a link; a strided axis changes its size at the link that carries it."""
    kind, ops, done = LAYERS[site.kind], [], frozenset[int]()
    for index, link in enumerate(chain):
        before, done = done, done | frozenset(link.axes)
        calls = tuple(
            Call(call.batch, kind.sizes(site, call, before), kind.sizes(site, call, done))
            for call in site.calls
        )
        looked_up = kind.looks_up and index == 0
        ops.append(
            Op(
                kind=site.kind,
                in_channels=link.in_channels,
                out_channels=link.out_channels,
                groups=link.groups,
                kernel=link.along(site.kernel),
                stride=link.along(site.stride),
                bias=site.bias and site.own_bias and index == len(chain) - 1,
                dtype=site.dtype,
                calls=calls,
                positions=0 if looked_up else kind.applied(site, calls, index, len(chain)),
            )
        )
    return tuple(ops)


def build(
    site: Site, chain: Sequence[Link], factors: Sequence[Tensor], bias: Tensor | None
) -> nn.Module:
    """What stands in the layer's place: stock layers holding the factors, in the site's dtype,
    of which only the last has the bias."""
    kind, last = LAYERS[site.kind], len(chain) - 1
    links = [
        (kind.link if index else kind.first)(site, link, factor, bias if index == last else None)
        for index, (link, factor) in enumerate(zip(chain, factors))
    ]
    return kind.assemble(site, links)


def compose(chain: Sequence[Link], factors: Sequence[Tensor]) -> Tensor:
    """The weight ``(out, in, *kernel)`` that a chain computes. Each spatial axis is carried by one
    link only, so kernels multiply position by position and channels contract like matrices."""
    weight = _full(factors[0], int(chain[0].groups))
    for link, factor in zip(chain[1:], factors[1:]):
        weight = after(weight, factor, int(link.groups))
    return weight


def _full(factor: Tensor, groups: int) -> Tensor:
    """A kernel ``(out, in / groups, ...)`` with the blocks of its groups along the diagonal."""
    if groups == 1:
        return factor
    blocks = torch.diag_embed(factor.unflatten(0, (groups, -1)).movedim(0, -1))
    return blocks.movedim((-2, -1), (0, 2)).flatten(2, 3).flatten(0, 1)


def after(weight: Tensor, factor: Tensor, groups: int) -> Tensor:
    """The weight ``(mid, in, ...)`` followed by a kernel ``(out, mid / groups, ...)``."""
    if groups == len(weight) == len(factor):
        return factor * weight
    if groups == 1:
        return torch.einsum("oc...,ci...->oi...", factor, weight)
    parts = (tensor.unflatten(0, (groups, -1)) for tensor in (factor, weight))
    return torch.einsum("goc...,gci...->goi...", *parts).flatten(0, 1)
