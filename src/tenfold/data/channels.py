"""Mean and variance of every channel of a batch, in one pass forward and one back.

torch's ``var`` over three modes takes several times as long as the convolution before it, and its
gradient as long again; BatchNorm's own kernel has both numbers at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TINY = 1e-12  # keeps the inverse deviation of a constant channel finite


def channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance ``(channels,)`` of ``(batch, channels, ...)``, with gradients to ``x``."""
    mean, variance = _Moments.apply(x)
    return mean, variance


class _Moments(torch.autograd.Function):
    """The gradient is ``(g_mean + 2 g_variance (x - mean)) / n``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        _, mean, inverse = torch.native_batch_norm(x, None, None, None, None, True, 0.0, TINY)
        ctx.save_for_backward(x, mean)
        return mean, inverse.pow(-2) - TINY

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        by_mean, by_variance = gradients
        count = x.numel() / x.shape[1]
        shape = [-1] + [1] * (x.ndim - 2)
        slope = by_variance * (2 / count)
        constant = by_mean / count - slope * mean
        return torch.addcmul(constant.view(shape), x, slope.view(shape))
