"""Modules that are, in evaluation, a stock layer with a weight they compute, and some that are
not."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Plain(nn.Linear):
    """A subclass that changes nothing."""

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class SwappedWeight(nn.Module):
    """The linear layer of GPT-2 in transformers: a weight ``(in, out)``."""

    def __init__(self, m, n):
        super().__init__()
        self.nf, self.nx = m, n
        self.weight = nn.Parameter(torch.randn(n, m) / n**0.5)
        self.bias = nn.Parameter(torch.zeros(m))

    def forward(self, x):
        product = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return product.view(*x.shape[:-1], self.nf)


class ScaledTable(nn.Embedding):
    """A table whose rows are multiplied by the root of their width, as many transformers have."""

    def forward(self, ids):
        return super().forward(ids) * self.embedding_dim**0.5


class Equalised(nn.Module):
    """A convolution of no stock class, with a scaled weight and a scaled bias."""

    def __init__(self, n, m, size):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(m, n, size, size))
        self.bias = nn.Parameter(torch.randn(m))

    def forward(self, x):
        scale = self.weight[0].numel() ** -0.5
        return F.conv2d(x, self.weight * scale, bias=self.bias * 0.1, padding=1)


class Standardised(nn.Conv2d):
    """Each output's weights have mean 0 and variance 1, times a gain."""

    def __init__(self, *sizes, **named):
        super().__init__(*sizes, **named)
        self.gain = nn.Parameter(0.2 + 0.1 * torch.rand(self.out_channels))

    def forward(self, x):
        rows = self.weight.reshape(1, self.out_channels, -1)
        weight = F.batch_norm(rows, None, None, weight=self.gain, training=True, momentum=0.0)
        weight = weight.reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class PadSame(nn.Conv2d):
    """Pads by the size of its input, as TensorFlow does."""

    def forward(self, x):
        axes = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation)
        missing = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n) for n, k, s, d in axes]
        sides = [side for total in reversed(missing) for side in (total // 2, total - total // 2)]
        x = F.pad(x, sides)
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class PadFixed(nn.Conv2d):
    """Pads by a module of its own, as a network made for one size does."""

    def __init__(self, *sizes, sides, **named):
        super().__init__(*sizes, **named)
        self.static_padding = nn.ZeroPad2d(sides)

    def forward(self, x):
        x = self.static_padding(x)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Causal(nn.Conv1d):
    """Sees the past alone."""

    def forward(self, x):
        past = self.dilation[0] * (self.kernel_size[0] - 1)
        return super().forward(F.pad(x, (past, 0)))


class Rectified(nn.Linear):
    """Does more than a linear layer."""

    def forward(self, x):
        return super().forward(x).relu()


class Clipped(nn.Conv1d):
    """Does more than a convolution once its outputs are large."""

    def forward(self, x):
        return super().forward(x).clamp(-9, 9)


class Drawn(nn.Conv2d):
    """Has noise in its weight."""

    def forward(self, x):
        weight = self.weight + 0.01 * torch.randn_like(self.weight)
        return F.conv2d(x, weight, self.bias)


class Routed(nn.Conv2d):
    """Its weight depends on its input."""

    def forward(self, x):
        return F.conv2d(x, self.weight * x.mean().sigmoid(), self.bias)


class Halving(nn.Linear):
    """Each call changes what the next one computes."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        self.scale.mul_(0.5)
        return F.linear(x, self.weight * self.scale, self.bias)


class Adapted(nn.Linear):
    """Holds a layer that makes its weight."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.inner = nn.Linear(self.in_features, self.in_features)

    def forward(self, x):
        return F.linear(x, self.inner(self.weight), self.bias)
