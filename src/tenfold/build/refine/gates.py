"""Relaxed ranks: a gate in (0, 1) on every component of every factored layer.

The sum of a rank's gates is the rank, relaxed; costs price it as they price integers. A gate
multiplies the channel between two links, so it scales the component in the composed weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.costs import COSTS
from tenfold.formats import FORMATS
from tenfold.layers import links_of, weight_of
from tenfold.network.watch import watching
from tenfold.values import Limit, Link, Real, Site

OPEN = 2.5  # logit of a gate at the start: 0.92


@dataclass(frozen=True)
class Gated:
    """One factored layer: its links, and a vector of gate logits a rank, which all groups of the
    layer share."""

    site: Site
    format: str
    links: Sequence[Any]
    cuts: tuple[tuple[int, ...], ...]  # per rank the boundaries between links that it spans
    logits: tuple[Tensor, ...]

    def gates(self) -> list[Tensor]:
        """Values in (0, 1), one vector a rank."""
        return [torch.sigmoid(logit) for logit in self.logits]

    def cost(self, name: str) -> Real:
        """The relaxed cost of the layer."""
        ranks = [gate.sum() for gate in self.gates()]
        return COSTS[name].total(FORMATS[self.format].ops(self.site, ranks))

    def weight(self) -> Tensor:
        """The composed weight with its gates, ``(out, in / groups, *kernel)``."""
        factors = [weight_of(link) for link in self.links]
        for cut, gate in zip(self.cuts, self.gates()):
            first = factors[cut[0]]
            channels = gate.repeat(self.site.groups)
            factors[cut[0]] = first * channels.reshape(-1, *[1] * (first.ndim - 1))
        ranks = [len(logit) for logit in self.logits]
        return FORMATS[self.format].dense(self.site, ranks, factors)


def gate(site: Site, name: str, ranks: Sequence[int], module: nn.Module) -> Gated:
    """Open gates on a chain as it was built."""
    links = links_of(module)
    several = tuple(range(2, 2 + len(ranks)))  # a single channel tells depthwise from full no more
    cuts = cuts_of(FORMATS[name].chain(site.group, several))
    device = weight_of(links[0]).device
    logits = tuple(torch.full((rank,), OPEN, device=device, requires_grad=True) for rank in ranks)
    return Gated(site, name, links, cuts, logits)


def cuts_of(chain: Sequence[Link]) -> tuple[tuple[int, ...], ...]:
    """Boundaries between links, in groups: a depthwise link ties the two beside it."""
    groups: list[list[int]] = []
    for boundary in range(len(chain) - 1):
        link = chain[boundary]
        if groups and link.groups == link.in_channels:
            groups[-1].append(boundary)
        else:
            groups.append([boundary])
    return tuple(tuple(group) for group in groups)


@contextmanager
def gating(layers: Sequence[Gated]) -> Iterator[None]:
    """Gates act on forward passes inside."""

    def scale(layer: Gated, rank: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            gates = torch.sigmoid(layer.logits[rank]).to(output.dtype).repeat(layer.site.groups)
            return output * gates.reshape(-1, *[1] * len(layer.site.kernel))

        return hook

    gates = {
        layer.links[cut[0]]: scale(layer, rank)
        for layer in layers
        for rank, cut in enumerate(layer.cuts)
    }
    with watching(gates):
        yield


def usage(layers: Sequence[Gated], limits: Sequence[Limit], rest: Mapping[str, float]) -> Tensor:
    """Share of each limit that the gated layers use of what the ``rest`` leaves, ``(limits,)``."""
    shares = [
        sum(torch.as_tensor(layer.cost(limit.cost)) for layer in layers)
        / max(limit.value - rest[limit.cost], 1e-9)
        for limit in limits
    ]
    return torch.stack([torch.as_tensor(share, dtype=torch.float32) for share in shares])
