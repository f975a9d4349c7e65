"""A gated unit whose two maps are stacked in one weight, alone or inside another."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tenfold.compounds import Compound, Opened


class StackedUnit(nn.Module):
    """``scale * value(x) * sigmoid(gate(x))``, from one matrix product."""

    def __init__(self, inputs, outputs, inner=None):
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.randn(2 * outputs, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.randn(2 * outputs))
        self.scale = nn.Parameter(torch.ones(outputs))
        self.inner = nn.Identity() if inner is None else inner

    def forward(self, x, *, doubled=False):
        value, gate = F.linear(self.inner(x), self.weight, self.bias).chunk(2, -1)
        return self.scale * value * gate.sigmoid() * (2 if doubled else 1)


class OpenedUnit(Opened):
    """The same with a layer for each map."""

    def __init__(self, unit):
        super().__init__()
        outputs, inputs = unit.outputs, unit.weight.shape[1]
        self.inner, self.scale = unit.inner, unit.scale
        for part, name in enumerate(("value", "gate")):
            layer = nn.Linear(inputs, outputs, device="meta")
            rows = slice(part * outputs, (part + 1) * outputs)
            for own in ("weight", "bias"):
                whole = getattr(unit, own)
                setattr(layer, own, nn.Parameter(whole.detach()[rows], whole.requires_grad))
            setattr(self, name, layer)

    def forward(self, x, *, doubled=False):
        x = self.inner(x)
        return self.scale * self.value(x) * self.gate(x).sigmoid() * (2 if doubled else 1)


class Stacked(Compound):
    """A unit of two stacked maps."""

    name = "stacked"

    def serves(self, module):
        return type(module) is StackedUnit

    def open(self, module):
        return OpenedUnit(module)
