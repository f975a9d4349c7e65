"""The task itself: the user's loss, or cross-entropy where batches have labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.data.batches import UNCOUNTED, as_classes, logits_of
from tenfold.errors import bad_value
from tenfold.training.faults import one_number
from tenfold.training.losses._base import LOSSES, Average, Lesson, Term
from tenfold.training.losses._measures import wide


class TaskLoss(Term):
    """What the network is for."""

    name = "task"

    def of(self, lesson: Lesson) -> Tensor | None:
        """The user's loss; else that of the labels; None without any."""
        batch, mode = lesson.batch, lesson.settings.class_mode
        if lesson.task_loss is not None:
            return with_gradient(one_number("loss", lesson.task_loss, lesson.output, batch.raw))
        if batch.labels is None:
            return None
        return classification_loss(lesson.output, batch.labels, mode, lesson.average)


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


def with_gradient(loss: Any) -> Any:
    """The user's loss, which must depend on the output where gradients are asked for."""
    if torch.is_grad_enabled() and not (isinstance(loss, Tensor) and loss.requires_grad):
        raise bad_value(
            "The loss must have a gradient",
            f"{loss!r:.40}",
            "compute it from the output with tensors all the way, without item() or detach()",
        )
    return loss


LOSSES.add("task", TaskLoss())
