"""ConvTranspose2d: sizes grow, the weight is ``(in, out / groups, *kernel)``, and the site has a
field of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from tenfold.layers import Kind, by, filled
from tenfold.values import Site


@dataclass(frozen=True)
class TransposedSite(Site):
    """A site with what is added to one side of the output."""

    output_padding: tuple[int, ...] = ()


class Transposed(Kind):
    """A stock transposed convolution without groups."""

    name, stock = "convtranspose2d", nn.ConvTranspose2d

    def refuses(self, module):
        return super().refuses(module) or ("it has groups" if module.groups > 1 else None)

    def describe(self, module, name, calls=()):
        return TransposedSite(
            name,
            self.name,
            module.in_channels,
            module.out_channels,
            kernel=module.kernel_size,
            stride=module.stride,
            padding=module.padding,
            dilation=module.dilation,
            groups=module.groups,
            bias=module.bias is not None,
            dtype=module.weight.dtype,
            calls=calls,
            output_padding=module.output_padding,
        )

    def weight(self, module):
        return swapped(module.weight, module.groups)

    def put(self, module, weight):
        module.weight.copy_(swapped(weight, module.groups))

    def positions(self, call):
        return math.prod(call.in_size)

    def fields(self, site, x):
        """Windows of the input with zeros between its pixels, the last kernel position first."""
        heights = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], site.stride)]
        spread = x.new_zeros(*x.shape[:2], *heights)
        spread[:, :, :: site.stride[0], :: site.stride[1]] = x
        reach = [d * (k - 1) for d, k in zip(site.dilation, site.kernel)]
        each = zip(reversed(reach), reversed(site.padding), reversed(site.output_padding))
        spread = F.pad(spread, [side for r, p, o in each for side in (r - p, r - p + o)])
        for axis, (r, d) in enumerate(zip(reach, site.dilation)):
            spread = spread.unfold(2 + axis, r + 1, 1)[..., ::d].flip(-1)
        return spread.movedim(1, 3).reshape(-1, site.in_channels * site.window)

    def link(self, site, link, factor, bias):
        layer = nn.utils.skip_init(
            nn.ConvTranspose2d,
            int(link.in_channels),
            int(link.out_channels),
            link.along(site.kernel),
            stride=link.along(site.stride),
            padding=link.along(site.padding, 0),
            output_padding=link.along(site.output_padding, 0),
            groups=int(link.groups),
            bias=bias is not None,
            dilation=link.along(site.dilation),
        )
        return filled(layer, swapped(factor, int(link.groups)).to(site.dtype), bias)

    def say(self, site):
        return f"{super().say(site)} o{by(site.output_padding)}"


def swapped(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Input and output channels of each group exchanged."""
    return weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
