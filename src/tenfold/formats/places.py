"""Site, ranks, factors -> what stands in each place of its weight, with common weights as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tenfold.formats._base import Format
from tenfold.formats._shared import relations, shared_links
from tenfold.formats.chains import balance_all
from tenfold.layers import links_of, show_weight, weight_of
from tenfold.values import Site

__all__ = ["relations", "shared_links", "stand_ins"]


@torch.no_grad()
def stand_ins(
    fmt: Format,
    site: Site,
    ranks: Sequence[int],
    factors: Sequence[Tensor],
    biases: Sequence[Tensor | None],
) -> list[nn.Module]:
    """A module for each of ``site.places``, given the bias of each. Links that are shared are one
    parameter, and chains that share some are balanced here, for later they cannot be."""
    first, *others = site.places
    modules = [fmt.layers(first, ranks, factors, biases[0])]
    if others:
        balance_all(modules[0])
    links = links_of(modules[0])
    made = {(False, 1.0): links}
    kernels = [weight_of(link).detach() for link in links]
    for (place, repeated), bias in zip(relations(others), biases[1:]):
        module = fmt.layers(place, ranks, as_seen(place, kernels), bias)
        own, relation = links_of(module), (place.turned, place.scale)
        for index in shared_links(place, len(own), repeated):
            source = made[relation][index] if repeated else links[0]
            own[index].weight = source.weight
        made.setdefault(relation, own)
        modules.append(show_weight(module, own[-1].weight))
    return modules


def as_seen(place: Site, kernels: Sequence[Tensor]) -> list[Tensor]:
    """The factors of the first place in the order and orientation of another, the scale on the
    link that it does not share."""
    seen = [kernel.T for kernel in reversed(kernels)] if place.turned else list(kernels)
    own = 0 if place.turned else len(seen) - 1
    return [kernel * place.scale if k == own else kernel for k, kernel in enumerate(seen)]
