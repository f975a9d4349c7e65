"""Fused networks compute the same with fewer layers, and what was given stays as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import tenfold
from tenfold.errors import InputError
from tests.networks import example, tiny_resnet


class Chain(nn.Module):
    """Layers in a row, the second half beside a shortcut where the shapes allow one."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for number, layer in enumerate(self.layers):
            y = layer(x)
            x = x + y if number % 3 == 2 and y.shape == x.shape else y
        return x


@st.composite
def convnets(draw):
    """Convolutions of any kind, norms with random statistics, activations."""
    seed = draw(st.integers(0, 10_000))
    torch.manual_seed(seed)
    width, layers = 4, []
    for _ in range(draw(st.integers(2, 7))):
        kind = draw(st.sampled_from(["1x1", "3x3", "depthwise", "strided", "norm", "bare", "relu"]))
        new, bias = draw(st.sampled_from([2, 4, 6])), draw(st.booleans())
        if kind == "relu":
            layers.append(nn.ReLU())
        elif kind in ("norm", "bare"):
            layers.append(nn.BatchNorm2d(width, affine=kind == "norm"))
        elif kind == "depthwise":
            layers.append(nn.Conv2d(width, width, 3, padding=1, groups=width, bias=bias))
        else:
            kernel, stride = (1, 1) if kind == "1x1" else (3, 2 if kind == "strided" else 1)
            layers.append(nn.Conv2d(width, new, kernel, stride, padding=kernel // 2, bias=bias))
            width = new
    return random_statistics(Chain(layers))


def random_statistics(model):
    """Norms as training leaves them."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias)
    return model.eval()


def count(model, kinds):
    return sum(isinstance(layer, kinds) for layer in model.modules())


@settings(max_examples=15, deadline=None)
@given(convnets())
def test_any_network_computes_the_same(model):
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(2, 4, 9, 9)
    fused = tenfold.fuse(model, x)
    with torch.no_grad():
        wanted, found = model(x), fused(x)
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max().clamp_min(1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert sum(p.numel() for p in fused.parameters()) <= sum(
        p.numel() for p in model.parameters()
    ) + sum(layer.num_features for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))


def test_every_norm_after_a_last_factor_goes():
    small = tenfold.compress(
        tiny_resnet(), example(), "params=0.5", metric="frobenius", formats=("cp", "tucker")
    ).model.train()
    fused = tenfold.fuse(small, example())
    assert count(small, nn.BatchNorm2d) == 3
    assert count(fused, nn.BatchNorm2d) == 0
    assert small.training
    assert not fused.training
    assert type(fused) is type(small)


def test_pointwise_neighbours_are_merged_where_that_is_no_larger():
    narrow = nn.Sequential(nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)).eval()
    wide = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 1)).eval()
    flat = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    assert count(tenfold.fuse(narrow, torch.randn(1, 8, 5, 5)), nn.Conv2d) == 2
    x = torch.randn(1, 4, 9, 9)
    fused = tenfold.fuse(wide, x)
    assert count(fused, nn.Conv2d) == 1
    assert torch.allclose(fused(x), wide(x), atol=1e-5)
    assert count(tenfold.fuse(flat, torch.randn(2, 4)), nn.Linear) == 1


def test_what_is_used_twice_is_left_alone():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
            self.again, self.other = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(self.conv(x))
            z = self.again(x)
            return self.norm(y) + self.other(z) + z

    model = random_statistics(Twice())
    assert count(tenfold.fuse(model, torch.randn(2, 4, 5, 5)), nn.BatchNorm2d) == 2


def test_shared_weights_and_hooks_keep_a_layer():
    model = random_statistics(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)))
    model[0].register_forward_hook(lambda layer, inputs, output: 2 * output)
    assert count(tenfold.fuse(model, torch.randn(2, 4, 5, 5)), nn.BatchNorm2d) == 1
    tied = random_statistics(
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1))
    )
    tied[3].weight = tied[0].weight
    x = torch.randn(2, 4, 5, 5)
    fused = tenfold.fuse(tied, x)
    assert count(fused, nn.BatchNorm2d) == 1
    assert torch.allclose(fused(x), tied(x), atol=1e-5)


def test_a_model_without_a_graph_is_told():
    class Reads(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match=r"x\.sum\(\) > 0"):
        tenfold.fuse(Reads(), torch.randn(2, 4))
