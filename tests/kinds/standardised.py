"""A convolution that computes its weight from parameters and pads first, by the input's size."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from tenfold.layers.conv import Convolution


class PadSame(nn.Module):
    """Pads so that a strided layer puts out as many positions as the input has strides."""

    def __init__(self, kernel, stride, dilation):
        super().__init__()
        self.geometry = list(zip(kernel, stride, dilation))

    def forward(self, x):
        pads = [missing(n, *axis) for n, axis in zip(x.shape[2:], self.geometry)]
        return F.pad(x, [side for p in reversed(pads) for side in (p // 2, p - p // 2)])


class StandardisedConv(nn.Conv2d):
    """Each output's weights have mean 0 and norm ``gain``."""

    def __init__(self, *sizes, **arguments):
        super().__init__(*sizes, **arguments)
        self.gain = nn.Parameter(1 + torch.rand(self.out_channels))
        self.pad = PadSame(self.kernel_size, self.stride, self.dilation)

    def standardised(self):
        centred = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        rows = centred.flatten(1) / centred.flatten(1).norm(dim=1, keepdim=True)
        return (self.gain.diag() @ rows).reshape(self.weight.shape)

    def forward(self, x):
        weight = self.standardised()
        return F.conv2d(self.pad(x), weight, self.bias, self.stride, 0, self.dilation)


class Standardised(Convolution):
    """The weight that it computes is what is factored; the padding stays in front."""

    def __init__(self):
        super().__init__(nn.Conv2d)
        self.name = "standardised"

    def serves(self, module):
        return type(module) is StandardisedConv

    def describe(self, module, name, calls=()):
        product = module.out_channels * module.weight.numel()
        site = super().describe(module, name, calls)
        return replace(site, padding=(0, 0), extra_macs=product)

    def weight(self, module):
        return module.standardised()

    def fields(self, site, x):
        return super().fields(site, padding_of(site)(x))

    def sizes(self, site, call, carried):
        axes = zip(call.in_size, site.kernel, site.stride, site.dilation)
        padded = replace(call, in_size=tuple(axis[0] + missing(*axis) for axis in axes))
        return super().sizes(site, padded, carried)

    def assemble(self, site, links):
        return nn.Sequential(padding_of(site), super().assemble(site, links))


def padding_of(site):
    return PadSame(site.kernel, site.stride, site.dilation)


def missing(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Padding in all along an axis."""
    return max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
