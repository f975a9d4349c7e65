"""What a format is: a chain of stock layers, an error curve and the factors for given ranks.

A format states its chain once; the operations that costs price, the modules that are built and
the dense weight that tests compare with all follow from it (``_chain.py``). It needs to know of
layers without groups only: registered as ``PerGroup(...)``, it serves the others group by group.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tenfold.formats import _chain
from tenfold.formats._shared import mark_shared
from tenfold.formats.metric import Metric
from tenfold.registry import Registry
from tenfold.values import Link, Op, Real, Site

SAMPLES = 5  # rows a curve


class Format(ABC):
    """One way to write a weight with fewer numbers. Stateless; ``analyse`` holds what is reused."""

    name: str
    error_is: Literal["exact", "bound", "estimate"]

    def refuses(self, site: Site) -> str | None:
        """The sentence that says why this format cannot serve the site, or None."""
        return None

    @abstractmethod
    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The largest useful value of each rank; ``()`` for a format without ranks."""

    @abstractmethod
    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """The stock layers for these ranks, input first. Works for real ranks and tensors."""

    @abstractmethod
    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> Any:
        """Decompose once what every rank shares. ``weight`` is ``(out, in, *kernel)``."""

    @abstractmethod
    def errors(self, state: Any, ranks: Tensor) -> Tensor:
        """Relative squared error in the metric at each row of integer ``ranks`` ``(n, d)``:
        ``||W - What||^2 / ||W||^2``, float64 ``(n,)``, not increasing in any rank."""

    @abstractmethod
    def factors(self, state: Any, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """Kernels of the chain's links, each ``(out, in / groups, *kernel)``, float32."""

    def dear(self, state: Any) -> dict[str, Tensor]:
        """What took a state many sweeps, to be kept on disk; nothing by default, for a state that
        ``analyse`` gives again soon."""
        return {}

    def resumed(self, state: Any, dear: Mapping[str, Tensor]) -> Any:
        """A state as ``analyse`` gives it, with what was ``dear`` of one before."""
        return state

    def samples(self, state: Any, ranks: Tensor) -> Tensor:
        """A few rows of ``ranks`` ``(n, d)``, spread evenly over the logarithm of the error, at
        which a curve is worth checking against the real network."""
        error = self.errors(state, ranks).clamp_min(1e-9).log()
        levels = torch.linspace(float(error.max()), float(error.min()), SAMPLES, dtype=error.dtype)
        return ranks[torch.unique((error[:, None] - levels).abs().argmin(0))]

    def sketch(self, state: Any, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """Factors at sampled ranks, good enough to measure with; by default the final ones."""
        return self.factors(state, ranks)

    def ops(self, site: Site, ranks: Sequence[Real]) -> tuple[Op, ...]:
        """The chain as operations with a price, in every place of the weight; the same arithmetic
        for real and integer ranks."""
        first, *others = site.places
        return self.price(first, ranks) + mark_shared(
            [(place, self.price(place, ranks)) for place in others]
        )

    def price(self, place: Site, ranks: Sequence[Real]) -> tuple[Op, ...]:
        """The operations of one layer for itself."""
        return _chain.price(place, self.chain(place, ranks))

    def shapes(self, site: Site, ranks: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Shapes of the kernels at integer ranks: ``(out, in / groups, *kernel)`` a link."""
        return tuple(
            (
                int(link.out_channels),
                int(link.in_channels) // int(link.groups),
                *link.along(site.kernel),
            )
            for link in self.chain(site, ranks)
        )

    def layers(
        self, site: Site, ranks: Sequence[int], factors: Sequence[Tensor], bias: Tensor | None
    ) -> nn.Module:
        """What stands in the layer's place: the chain as stock layers."""
        return _chain.build(site, self.chain(site, ranks), factors, bias)

    def dense(self, site: Site, ranks: Sequence[int], factors: Sequence[Tensor]) -> Tensor:
        """The weight ``(out, in, *kernel)`` that the chain stands for."""
        return _chain.compose(self.chain(site, ranks), factors)


FORMATS: Registry[Format] = Registry("format", "tenfold.formats")
