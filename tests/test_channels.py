"""Mean and variance of channels, and their gradients, are torch's own."""

from __future__ import annotations

import pytest
import torch

from tenfold.data.channels import channel_moments


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 7), (4, 3, 5, 6), (2, 3, 4, 5, 6)])
def test_moments_and_gradients(shape):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64).add(2).requires_grad_()
    axes = [axis for axis in range(x.ndim) if axis != 1]
    found, wanted = channel_moments(x), (x.mean(axes), x.var(axes, correction=0))
    for mine, theirs in zip(found, wanted):
        torch.testing.assert_close(mine, theirs)
    gradients = [torch.autograd.grad((a.sin() + b.log()).sum(), x)[0] for a, b in (found, wanted)]
    torch.testing.assert_close(*gradients)


def test_a_constant_channel_has_no_variance():
    mean, variance = channel_moments(torch.full((4, 2, 3, 3), 7.0))
    assert mean.tolist() == [7.0, 7.0]
    assert variance.abs().max() < 1e-9
