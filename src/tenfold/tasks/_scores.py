"""Whether rows of numbers look like scores of classes."""

from __future__ import annotations

import torch
from torch import Tensor

ENOUGH = 8  # rows from which statistics say something
SPREAD = 1e-3, 1e3  # of scores within a row: outside, a softmax is flat or decided
COMMON = 0.5  # most of the variance that all classes may share, in units of what lies apart


def look_like_scores(x: Tensor) -> bool:
    """Rows ``(n, classes)`` of which a softmax makes sense.

    Training with a softmax leaves alone what is common to all classes, so in a classifier that
    varies little from input to input; where it varies much a softmax would hide it. Numbers that
    are never negative and no probabilities, or of unit length, are something else.
    """
    x = x.detach().double()
    if not x.numel() or not bool(torch.isfinite(x).all()):
        return False
    if are_probabilities(x):
        return True
    lengths = x.norm(dim=1)
    if len(x) >= ENOUGH and (
        bool((x >= 0).all()) or torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3)
    ):
        return False
    spread = float((x - x.mean(1, keepdim=True)).square().mean().sqrt())
    if not SPREAD[0] <= spread <= SPREAD[1]:
        return False
    return len(x) < ENOUGH or common_share(x) <= COMMON * (1 - 1 / x.shape[1])


def common_share(x: Tensor) -> float:
    """How much of the variance over inputs all columns share."""
    centred = x - x.mean(0)
    total = centred.square().sum().clamp_min(1e-300)
    return float(x.shape[1] * centred.mean(1).square().sum() / total)


def are_probabilities(rows: Tensor) -> bool:
    """Whether rows are none below zero and sum to one."""
    sums = rows.double().sum(1)
    return bool((rows >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
