"""Accuracy as a CPU would find it: on a GPU, too, convolutions compute in fp32, not in TF32."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tenfold.training.score import accuracy


def judged(model: nn.Module, batches: list[Any]) -> float:
    """Top-1 in per cent."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        return accuracy(model, batches)
    finally:
        torch.backends.cudnn.allow_tf32 = before
