"""A linear layer, of no stock class, that keeps its weight as ``(in, out)``."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.layers.linear import Linear
from tenfold.values import Site


class SwappedLinear(nn.Module):
    """``x @ weight + bias``."""

    def __init__(self, n: int, m: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n, m) / n**0.5)
        self.bias = nn.Parameter(torch.randn(m))

    def forward(self, x):
        return x @ self.weight + self.bias


class Swapped(Linear):
    """Stock linear layers take its place."""

    name = "swapped"

    def serves(self, module):
        return type(module) is SwappedLinear

    def describe(self, module, name, calls=()):
        n, m = module.weight.shape
        return Site(name, self.name, n, m, bias=True, dtype=module.weight.dtype, calls=calls)

    def weight(self, module):
        return module.weight.T
