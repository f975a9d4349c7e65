"""Conv2d with groups of several channels, which the kind ``conv2d`` refuses."""

from __future__ import annotations

from torch import nn

from tenfold.layers import Kind
from tenfold.layers.conv import Convolution


class Grouped(Convolution):
    """Each group has its own factors."""

    def __init__(self):
        super().__init__(nn.Conv2d)
        self.name = "conv2d-in-groups"

    def serves(self, module):
        return type(module) is nn.Conv2d and module.groups > 1

    def refuses(self, module):
        group = self.describe(module, "").group
        single = min(group.in_channels, group.out_channels) == 1
        return Kind.refuses(self, module) or ("its groups have one channel" if single else None)
