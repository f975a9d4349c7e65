"""Depthwise convolutions whose bfloat16 gradients a CPU computes one number at a time.

oneDNN has fast ones for kernels of up to three at stride 1; elsewhere fp32 is up to 11 times faster
(``python -m benchmarks.claims.depthwise``), and more exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType

import torch
from torch import Tensor, nn

from tenfold.network.watch import forwards_replaced


@contextmanager
def sparing_slow_kernels(model: nn.Module) -> Iterator[None]:
    """During the block such layers compute in fp32 where autocast would make them bf16 on a CPU."""
    slow = [layer for layer in model.modules() if is_slow(layer)]
    with forwards_replaced({layer: MethodType(compute_wide, layer) for layer in slow}):
        yield


def is_slow(layer: nn.Module) -> bool:
    """Whether the layer is a stock depthwise one that is strided, dilated or of a large kernel."""
    if type(layer) is not nn.Conv2d or "forward" in vars(layer):
        return False
    depthwise = layer.groups == layer.in_channels > 1
    return depthwise and max(*layer.stride, *layer.dilation, max(layer.kernel_size) // 2) > 1


def compute_wide(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    """The layer's own forward, in its weights' type under autocast on a CPU."""
    if inputs.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return nn.Conv2d.forward(layer, inputs)
    with torch.autocast("cpu", enabled=False):
        output = nn.Conv2d.forward(layer, inputs.to(layer.weight.dtype))
    return output.to(torch.get_autocast_dtype("cpu"))
