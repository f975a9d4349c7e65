"""Relaxed ranks -> integer ranks strictly within the limits, and the factors cut down to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.build.refine.gates import Gated
from tenfold.costs import COSTS
from tenfold.formats import FORMATS
from tenfold.layers import weight_of
from tenfold.values import Limit

Ranks = list[list[int]]  # per layer, per rank


@dataclass(frozen=True)
class Block:
    """Components of one rank that stay or go together: ``size`` of them, and their mean gate."""

    layer: int
    rank: int
    size: int
    value: float


def harden(
    layers: Sequence[Gated], limits: Sequence[Limit], rest: Mapping[str, float], round_to: int
) -> Ranks:
    """Take away the blocks with the least open gates until every limit holds, then give back
    those that still fit. A rank keeps one block at least; ranks stay multiples of ``round_to``."""
    ranks = [[len(logit) for logit in layer.logits] for layer in layers]
    gone = []
    for block in sorted(blocks(layers, round_to), key=lambda block: block.value):
        if fits(layers, ranks, limits, rest):
            break
        if ranks[block.layer][block.rank] - block.size >= round_to:
            ranks[block.layer][block.rank] -= block.size
            gone.append(block)
    for block in reversed(gone):
        ranks[block.layer][block.rank] += block.size
        if not fits(layers, ranks, limits, rest):
            ranks[block.layer][block.rank] -= block.size
    return ranks


def blocks(layers: Sequence[Gated], round_to: int) -> list[Block]:
    """All components by falling gate, in blocks of ``round_to``."""
    cuts = []
    for index, layer in enumerate(layers):
        for rank, gate in enumerate(layer.gates()):
            parts = gate.detach().sort(descending=True).values.split(round_to)
            cuts += [Block(index, rank, len(part), float(part.mean())) for part in parts]
    return cuts


def fits(
    layers: Sequence[Gated], ranks: Ranks, limits: Sequence[Limit], rest: Mapping[str, float]
) -> bool:
    """Whether integer ranks keep every limit."""
    for limit in limits:
        spent = rest[limit.cost] + sum(
            float(COSTS[limit.cost].total(FORMATS[layer.format].ops(layer.site, kept)))
            for layer, kept in zip(layers, ranks)
        )
        if spent > limit.value * (1 + 1e-12):
            return False
    return True


@torch.no_grad()
def cut_down(layer: Gated, ranks: Sequence[int]) -> tuple[Tensor, ...]:
    """The factors of the components with the most open gates, gates folded in."""
    factors, groups = [weight_of(link).detach().clone() for link in layer.links], layer.site.groups
    for cut, gate, kept in zip(layer.cuts, layer.gates(), ranks):
        open_gates = gate.detach()
        rows = open_gates.argsort(descending=True)[:kept].sort().values
        for place, boundary in enumerate(cut):
            left = factors[boundary].unflatten(0, (groups, -1))[:, rows]
            if place == 0:
                left = left * open_gates[rows].reshape(-1, *[1] * (left.ndim - 2))
            factors[boundary] = left.flatten(0, 1)
            if factors[boundary + 1].shape[1] == len(open_gates):  # not so in a depthwise link
                factors[boundary + 1] = factors[boundary + 1][:, rows]
    return tuple(factors)
