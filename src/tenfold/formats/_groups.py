"""Layers with groups: each group has factors of its own, all have the same ranks.

The chains of the groups lie side by side in one chain of stock layers with groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tenfold.formats._base import Format
from tenfold.formats.metric import Metric
from tenfold.machine.tensors import pick
from tenfold.values import Link, Real, Site

FEW = 4  # groups that are iterated on for a curve; a layer can have 32 and more


@dataclass(frozen=True)
class Parts:
    """What the analysis of each group left, its share of the energy, and the layer's metric."""

    states: tuple[Any, ...]
    shares: Tensor  # (groups,), float64
    metric: Metric


class PerGroup(Format):
    """A format for layers with groups too; for others it is the format itself."""

    def __init__(self, one: Format) -> None:
        self.one, self.name, self.error_is = one, one.name, one.error_is

    def refuses(self, site: Site) -> str | None:
        """What is in the way of the format in one group; a rank of channels, in one channel."""
        if site.lone:
            return "its groups read or make one channel each, which has no rank"
        return self.one.refuses(site.group)

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The largest useful ranks of a group."""
        return self.one.rank_limits(site.group)

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """The links of all groups side by side."""
        return tuple(side_by_side(link, site.groups) for link in self.one.chain(site.group, ranks))

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> Any:
        """The format's own state, or the states of the groups."""
        if site.groups == 1:
            return self.one.analyse(site, weight, metric)
        states, energies = [], []
        for part, white in zip(weight.chunk(site.groups), metric.per_group(site.groups)):
            states.append(self.one.analyse(site.group, part, white))
            energies.append(white.whiten(part).double().square().sum())
        energy = torch.stack(energies)
        return Parts(tuple(states), energy / energy.sum().clamp_min(1e-300), metric)

    def errors(self, state: Any, ranks: Tensor) -> Tensor:
        """The mean over groups, weighted by their energy; an estimate is that of a few of them."""
        if not isinstance(state, Parts):
            return self.one.errors(state, ranks)
        few = FEW if self.error_is == "estimate" else len(state.states)
        chosen, shares = representatives(state.shares, few)
        errors = torch.stack([self.one.errors(state.states[k], ranks) for k in chosen], 1)
        return errors @ shares.to(errors)

    def factors(self, state: Any, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """Kernels of the groups, one after the other along their outputs."""
        return joined(lambda part: self.one.factors(part, ranks), state)

    def sketch(self, state: Any, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """The same from the format's sketches."""
        return joined(lambda part: self.one.sketch(part, ranks), state)

    def dear(self, state: Any) -> dict[str, Tensor]:
        """What is dear of each group, under its number."""
        parts = enumerate(states_of(state))
        return {f"{k}.{name}": x for k, part in parts for name, x in self.one.dear(part).items()}

    def resumed(self, state: Any, dear: Mapping[str, Tensor]) -> Any:
        """Each group with its own."""
        parts = tuple(
            self.one.resumed(part, pick(dear, f"{k}.")) for k, part in enumerate(states_of(state))
        )
        return replace(state, states=parts) if isinstance(state, Parts) else parts[0]

    def samples(self, state: Any, ranks: Tensor) -> Tensor:
        """Those that the format chooses for one of the groups, whose curve is there already."""
        states = states_of(state)
        chosen = representatives(state.shares, FEW)[0][0] if isinstance(state, Parts) else 0
        return self.one.samples(states[chosen], ranks)

    def dense(self, site: Site, ranks: Sequence[int], factors: Sequence[Tensor]) -> Tensor:
        """The weight ``(out, in / groups, *kernel)``."""
        if site.groups == 1:
            return self.one.dense(site, ranks, factors)
        parts = zip(*(factor.chunk(site.groups) for factor in factors))
        return torch.cat([self.one.dense(site.group, ranks, part) for part in parts])


def representatives(shares: Tensor, most: int) -> tuple[list[int], Tensor]:
    """At most so many groups, each in the middle of those of like energy, and the share of the
    energy of all that it stands for."""
    blocks = shares.argsort().chunk(most)
    chosen = [int(block[len(block) // 2]) for block in blocks]
    return chosen, torch.stack([shares[block].sum() for block in blocks])


def states_of(state: Any) -> tuple[Any, ...]:
    """The state of each group, or the one there is."""
    return state.states if isinstance(state, Parts) else (state,)


def joined(kernels: Callable[[Any], tuple[Tensor, ...]], state: Any) -> tuple[Tensor, ...]:
    """Kernels made for each group, joined along their outputs."""
    if not isinstance(state, Parts):
        return kernels(state)
    return tuple(torch.cat(parts) for parts in zip(*map(kernels, state.states)))


def side_by_side(link: Link, groups: int) -> Link:
    """As many links of this kind in one."""
    if groups == 1:
        return link
    return Link(
        groups * link.in_channels, groups * link.out_channels, link.axes, groups * link.groups
    )
