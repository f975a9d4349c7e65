"""How far a student is from the original and from the task, as losses of one batch.

Logit distillation after Hinton et al. 2015; features after the published method's equation 10,
normalised so that no block outweighs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.data.batches import logits_of
from tenfold.data.labels import UNCOUNTED, as_classes
from tenfold.errors import bad_value
from tenfold.training.settings import TuneSettings

Average = Callable[[Tensor], Tensor]  # of a batch's mean over all processes


def output_loss(output: Tensor, target: Tensor, s: TuneSettings, average: Average) -> Tensor:
    """How far the output is from the original's: as classes, where there are two of them and more,
    or as plain values."""
    mode = s.class_mode
    if mode is None or not -output.ndim <= mode < output.ndim or output.shape[mode] == 1:
        return F.mse_loss(wide(output), wide(target)) / average(mean_square(target))
    return divergence(output, target, s.temperature, mode)


def divergence(output: Tensor, target: Tensor, temperature: float, mode: int) -> Tensor:
    """``T^2 KL(target || output)`` of the softened outputs, averaged over all but their mode."""
    soft = F.log_softmax(wide(output) / temperature, dim=mode)
    goal = F.log_softmax(wide(target) / temperature, dim=mode)
    pointwise = F.kl_div(soft, goal, reduction="none", log_target=True).sum(mode)
    return pointwise.mean() * temperature**2


def classification_loss(output: Any, labels: Any, mode: int | None, average: Average) -> Tensor:
    """Cross-entropy, for integer labels on the given mode; labels of -100 do not count, and where
    none do it is 0. ``average`` makes it a mean over what counts in the whole batch."""
    logits = logits_of(output)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or mode is None:
        raise bad_value(
            "Labels must be integer class indices, on a class_mode,",
            f"{getattr(labels, 'dtype', type(labels).__name__)}, class_mode={mode}",
            "pass loss=... for another task",
        )
    if not -logits.ndim <= mode < logits.ndim or logits.shape[mode] == 1:
        raise bad_value(
            f"Labels need two classes or more along class_mode={mode}",
            f"an output of shape {tuple(logits.shape)}",
            "pass loss=... for another task",
        )
    logits = logits.movedim(mode, 1)
    if labels.shape != (len(logits), *logits.shape[2:]):
        raise bad_value(
            f"Labels must have the output's shape without its class_mode={mode}, "
            f"{(len(logits), *logits.shape[2:])}",
            tuple(labels.shape),
            "name the class mode, or pass loss=... for another task",
        )
    labels = as_classes(labels, logits.shape[1])
    total = F.cross_entropy(wide(logits), labels, reduction="sum")
    counted = average((labels != UNCOUNTED).to(total).mean())  # a share of all labels
    return total / labels.numel() / torch.where(counted > 0, counted, 1)


def feature_loss(
    features: Mapping[str, Tensor], goals: Mapping[str, Tensor], average: Average
) -> Tensor:
    """Mean over blocks of ``||student - original||^2 / ||original||^2``."""
    pairs = [(features[name], goals[name]) for name in features if name in goals]
    pairs = [(mine, goal) for mine, goal in pairs if mine.shape == goal.shape]
    if not pairs:
        return torch.zeros(())
    sizes = average(torch.stack([mean_square(goal) for _, goal in pairs]))
    gaps = torch.stack([mean_gap(mine, goal) for mine, goal in pairs])
    return (gaps / sizes).mean()


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
