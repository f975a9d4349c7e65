"""The layer as it is: no ranks, no error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenfold.formats._base import FORMATS, Format
from tenfold.formats.metric import Metric
from tenfold.values import Link, Op, Real, Site


class Dense(Format):
    """Keeps the layer; being a format, it spares every stage a special case."""

    name = "dense"
    error_is = "exact"

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """No ranks."""
        return ()

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """The layer itself."""
        return (Link(site.in_channels, site.out_channels, site.axes, site.groups),)

    def price(self, place: Site, ranks: Sequence[Real]) -> tuple[Op, ...]:
        """The layer with what it holds beside weight and bias."""
        (op,) = super().price(place, ranks)
        extra = replace(
            op,
            extra_params=place.extra_params,
            extra_bytes=place.extra_bytes,
            extra_macs=place.extra_macs * len(place.calls),
        )
        return (extra,)

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> Tensor:
        """The weight as it is: nothing is decomposed."""
        return weight

    def errors(self, state: Tensor, ranks: Tensor) -> Tensor:
        """Zeros."""
        return torch.zeros(len(ranks), dtype=torch.float64)

    def factors(self, state: Tensor, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """The weight ``(out, in / groups, *kernel)``."""
        return (state.float(),)

    def dense(self, site: Site, ranks: Sequence[int], factors: Sequence[Tensor]) -> Tensor:
        """The weight itself."""
        return factors[0]


FORMATS.add("dense", Dense())
