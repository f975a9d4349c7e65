"""A chain of links priced as operations, built as stock layers, or composed to one weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tenfold.values import Call, Link, Op, Site

LAYERS = {"conv1d": nn.Conv1d, "conv2d": nn.Conv2d}


def price(site: Site, chain: Sequence[Link]) -> tuple[Op, ...]:
    """One operation a link; a strided axis shrinks at the link that carries it."""
    ops, done = [], frozenset[int]()
    for index, link in enumerate(chain):
        before, done = done, done | frozenset(link.axes)
        ops.append(
            Op(
                kind=site.kind,
                in_channels=link.in_channels,
                out_channels=link.out_channels,
                kernel=_pick(link, site.kernel),
                stride=_pick(link, site.stride),
                depthwise=link.depthwise,
                bias=site.bias and index == len(chain) - 1,
                dtype=site.dtype,
                calls=tuple(_between(call, before, done) for call in site.calls),
            )
        )
    return tuple(ops)


def build(
    site: Site, chain: Sequence[Link], factors: Sequence[Tensor], bias: Tensor | None
) -> nn.Module:
    """Stock layers holding the factors, in the site's dtype; only the last has the bias."""
    last = len(chain) - 1
    layers = [
        _layer(site, link, factor, bias if index == last else None)
        for index, (link, factor) in enumerate(zip(chain, factors))
    ]
    return layers[0] if last == 0 else nn.Sequential(*layers)


def compose(chain: Sequence[Link], factors: Sequence[Tensor]) -> Tensor:
    """The weight a chain computes. Each spatial axis is carried by one link only, so kernels
    multiply position by position and channels contract like matrices."""
    weight = _full(chain[0], factors[0])
    for link, factor in zip(chain[1:], factors[1:]):
        if link.depthwise:
            weight = factor * weight
        else:
            weight = torch.einsum("oc...,ci...->oi...", factor, weight)
    return weight


def _full(link: Link, factor: Tensor) -> Tensor:
    """A depthwise kernel as the diagonal of a full one."""
    if not link.depthwise:
        return factor
    return torch.diag_embed(factor.squeeze(1).movedim(0, -1)).movedim((-2, -1), (0, 1))


def _pick(link: Link, values: tuple[int, ...]) -> tuple[int, ...]:
    """The values of the axes that the link carries, 1 along the others."""
    return tuple(v if axis in link.axes else 1 for axis, v in enumerate(values))


def _between(call: Call, before: frozenset[int], done: frozenset[int]) -> Call:
    """The call as one link sees it: axes already carried have their output size."""

    def size(carried: frozenset[int]) -> tuple[int, ...]:
        pairs = zip(call.in_size, call.out_size)
        return tuple(o if axis in carried else i for axis, (i, o) in enumerate(pairs))

    return Call(call.batch, size(before), size(done))


def _layer(site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
    """One stock layer with the given kernel and bias."""
    n, m = int(link.in_channels), int(link.out_channels)
    if site.kind == "linear":
        layer: nn.Module = nn.utils.skip_init(nn.Linear, n, m, bias=bias is not None)
    else:
        layer = nn.utils.skip_init(
            LAYERS[site.kind],
            n,
            m,
            _pick(link, site.kernel),
            stride=_pick(link, site.stride),
            padding=_padding(site, link),
            dilation=_pick(link, site.dilation),
            groups=n if link.depthwise else 1,
            bias=bias is not None,
            padding_mode=site.padding_mode if link.axes else "zeros",
        )
    layer.weight = nn.Parameter(factor.detach().to(site.dtype).contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _padding(site: Site, link: Link) -> tuple[int, ...] | str:
    """Padding along the carried axes only; ``"same"`` does that by itself."""
    if isinstance(site.padding, str):
        return site.padding
    return tuple(p if axis in link.axes else 0 for axis, p in enumerate(site.padding))
