"""Conv1d, Conv2d and Conv3d, with any stride, dilation, padding and groups."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.layers._base import LAYERS, Kind, by
from tenfold.layers._read import filled
from tenfold.values import Call, Link, Site


class Convolution(Kind):
    """A stock convolution over any number of axes."""

    def __init__(self, stock: type[nn.Module]) -> None:
        self.name, self.stock = stock.__name__.lower(), stock

    def refuses(self, module: nn.Module) -> str | None:
        """Small windows in groups of one channel, beside what any layer is refused for."""
        return super().refuses(module) or nothing_to_split(self.describe(module, ""))

    def describe(self, module: nn.Module, name: str, calls: tuple[Call, ...] = ()) -> Site:
        """Every argument of the layer."""
        layer: Any = module
        return Site(
            name,
            self.name,
            layer.in_channels,
            layer.out_channels,
            kernel=tuple(layer.kernel_size),
            stride=tuple(layer.stride),
            padding=layer.padding if isinstance(layer.padding, str) else tuple(layer.padding),
            dilation=tuple(layer.dilation),
            groups=layer.groups,
            padding_mode=layer.padding_mode,
            bias=layer.bias is not None,
            dtype=layer.weight.dtype,
            calls=calls,
        )

    def fields(self, site: Site, x: Tensor) -> Tensor:
        """Windows of the padded input, as the kernel is laid over it."""
        mode = "constant" if site.padding_mode == "zeros" else site.padding_mode
        x = F.pad(x, sides(site), mode=mode)
        for axis, (k, stride, d) in enumerate(zip(site.kernel, site.stride, site.dilation)):
            x = x.unfold(2 + axis, d * (k - 1) + 1, stride)[..., ::d]
        x = x.movedim(1, 1 + len(site.axes))  # batch, out axes, channels, kernel
        return x.reshape(-1, site.in_channels * site.window)

    def some_fields(self, site: Site, x: Tensor, step: int) -> Tensor:
        """Windows that lie further apart, so that the others need not be unfolded."""
        apart = math.ceil(step ** (1 / len(site.axes)))
        return self.fields(replace(site, stride=tuple(apart * s for s in site.stride)), x)

    def link(self, site: Site, link: Link, factor: Tensor, bias: Tensor | None) -> nn.Module:
        """A convolution that strides, dilates and pads along the axes it carries alone."""
        padding = site.padding if isinstance(site.padding, str) else link.along(site.padding, 0)
        layer = nn.utils.skip_init(
            self.stock,
            int(link.in_channels),
            int(link.out_channels),
            link.along(site.kernel),
            stride=link.along(site.stride),
            padding=padding,  # "same" is nothing along an axis of one
            dilation=link.along(site.dilation),
            groups=int(link.groups),
            bias=bias is not None,
            padding_mode=site.padding_mode if link.axes else "zeros",
        )
        return filled(layer, factor.to(site.dtype), bias)


def sides(site: Site) -> list[int]:
    """Padding before and after, the last axis first, as the layer itself pads."""
    if site.padding == "valid":
        return [0] * 2 * len(site.axes)
    if isinstance(site.padding, str):
        reach = [d * (k - 1) for d, k in zip(site.dilation, site.kernel)]
        return [side for r in reversed(reach) for side in (r // 2, r - r // 2)]
    return [side for p in reversed(site.padding) for side in (p, p)]


def nothing_to_split(site: Site) -> str | None:
    """Why a depthwise layer or its like stays as it is; None for other layers, and where a column
    and a row of the window, which are left to factor, hold fewer numbers than the window."""
    if not site.lone:
        return None
    n, m = site.group.in_channels, site.group.out_channels
    wide = len(site.kernel) == 2 and min(site.kernel) > 1
    if wide and site.kernel[0] * n + site.kernel[1] * m < site.window * n * m:
        return None
    return (
        f"its {site.groups} groups read or make one channel each: there is nothing to factor but a "
        f"window over two axes, and its is {by(site.kernel)}"
    )


LAYERS.add("conv1d", Convolution(nn.Conv1d))
LAYERS.add("conv2d", Convolution(nn.Conv2d))
LAYERS.add("conv3d", Convolution(nn.Conv3d))
