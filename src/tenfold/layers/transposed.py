"""ConvTranspose1d, 2d and 3d: sizes grow, and the weight is ``(in, out / groups, *kernel)``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.layers._base import LAYERS, by
from tenfold.layers._read import filled
from tenfold.layers.conv import Convolution
from tenfold.values import Call, Link, Site, extended


@dataclass(frozen=True)
class TransposedSite(Site):
    """A site with what is added to one side of the output, along each axis."""

    output_padding: tuple[int, ...] = ()


class Transposed(Convolution):
    """A stock transposed convolution over any number of axes."""

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """Every argument of the layer."""
        layer: Any = module
        site = super().describe(module, name, calls)
        return extended(site, TransposedSite, output_padding=tuple(layer.output_padding))

    def weight(self, module: nn.Module) -> Tensor:
        """The weight, ``(out, in / groups, *kernel)``."""
        layer: Any = module
        return swapped(layer.weight, layer.groups)

    def put(self, module: nn.Module, weight: Tensor) -> None:
        """Write such a weight."""
        layer: Any = module
        layer.weight.copy_(swapped(weight, layer.groups))

    def positions(self, call: Call) -> int:
        """The weight is applied at every position of the input."""
        return math.prod(call.in_size)

    def fields(self, site: Site, x: Tensor) -> Tensor:
        """Windows of the input with zeros between its pixels, the last kernel position first."""
        x = spread(x, site.stride)
        reach = [d * (k - 1) for d, k in zip(site.dilation, site.kernel)]
        x = F.pad(x, sides(site, reach))
        for axis, (r, d) in enumerate(zip(reach, site.dilation)):
            x = x.unfold(2 + axis, r + 1, 1)[..., ::d].flip(-1)
        x = x.movedim(1, 1 + len(site.axes))  # batch, out axes, channels, kernel
        return x.reshape(-1, site.in_channels * site.window)

    def link(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """A transposed convolution that strides, dilates and pads along the axes it carries."""
        layer = nn.utils.skip_init(
            self.stock,
            int(link.in_channels),
            int(link.out_channels),
            link.along(site.kernel),
            stride=link.along(site.stride),
            padding=link.along(paddings(site), 0),
            output_padding=link.along(output_paddings(site), 0),
            groups=int(link.groups),
            bias=bias is not None,
            dilation=link.along(site.dilation),
        )
        return filled(layer, swapped(factor, int(link.groups)).to(site.dtype), bias)

    def say(self, site: Site) -> str:
        """With the output's padding."""
        return f"{super().say(site)} o{by(output_paddings(site))}"


def spread(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """An input ``(batch, channels, *axes)`` with zeros between its pixels."""
    sizes = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], stride)]
    wide = x.new_zeros(*x.shape[:2], *sizes)
    wide[(slice(None),) * 2 + tuple(slice(None, None, s) for s in stride)] = x
    return wide


def sides(site: Site, reach: list[int]) -> list[int]:
    """Padding before and after, the last axis first; negative where the layer crops."""
    each = zip(reversed(reach), reversed(paddings(site)), reversed(output_paddings(site)))
    return [side for r, p, o in each for side in (r - p, r - p + o)]


def paddings(site: Site) -> tuple[int, ...]:
    """The padding along each axis; words are for other layers."""
    return () if isinstance(site.padding, str) else site.padding


def output_paddings(site: Site) -> tuple[int, ...]:
    """What is added to the output along each axis."""
    return getattr(site, "output_padding", ())


def swapped(weight: Tensor, groups: int) -> Tensor:
    """Input and output channels of each group exchanged."""
    return weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)


LAYERS.add("convtranspose1d", Transposed(nn.ConvTranspose1d))
LAYERS.add("convtranspose2d", Transposed(nn.ConvTranspose2d))
LAYERS.add("convtranspose3d", Transposed(nn.ConvTranspose3d))
