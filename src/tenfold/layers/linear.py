"""Linear: channels lie last, and whatever lies before them is batch."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from tenfold.layers._base import LAYERS, Kind
from tenfold.layers._read import filled
from tenfold.values import Call, Link, Site


class Linear(Kind):
    """``nn.Linear``."""

    name = "linear"
    stock: type[nn.Module] = nn.Linear

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """Channel counts and type."""
        layer: Any = module
        return Site(
            name,
            self.name,
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            dtype=layer.weight.dtype,
            calls=calls,
        )

    def call(self, site: Site, x: Tensor, y: Tensor) -> Call:
        """All leading axes count as batch."""
        return Call(math.prod(x.shape[:-1]), (), ())

    def rows(self, site: Site, x: Tensor) -> Tensor:
        """Every vector of channels."""
        return x.flatten(0, -2)

    def fields(self, site: Site, x: Tensor) -> Tensor:
        """The input itself."""
        return self.rows(site, x)

    def link(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """A Linear."""
        n, m = int(link.in_channels), int(link.out_channels)
        layer = nn.utils.skip_init(nn.Linear, n, m, bias=bias is not None)
        return filled(layer, factor.to(site.dtype), bias)


LAYERS.add("linear", Linear())
