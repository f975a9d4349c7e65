"""Squared differences and sizes, in enough digits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def mean_gap(mine: Tensor, goal: Tensor) -> Tensor:
    """Mean squared difference, without the copies to fp32 that autocast would make of bf16; none
    where there is nothing to compare, as for an expert without a token."""
    if mine.dtype == torch.float16:  # its squares overflow
        mine = mine.float()
    with torch.autocast(mine.device.type, enabled=False):
        how = "mean" if mine.numel() else "sum"
        return wide(F.mse_loss(mine, goal.to(mine.dtype), reduction=how))


def mean_square(goal: Tensor) -> Tensor:
    """Mean square, in fp32 at least and never zero."""
    norm = torch.linalg.vector_norm(goal, dtype=torch.promote_types(goal.dtype, torch.float32))
    return (norm.square() / max(1, goal.numel())).clamp_min(1e-12)


def wide(value: Tensor) -> Tensor:
    """In fp32 at least: sums of half precision lose too much, those of double nothing."""
    return value.to(torch.promote_types(value.dtype, torch.float32))
