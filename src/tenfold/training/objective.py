"""What the student is asked: the task, the original's outputs, and its blocks' features.

An image, its mirror image and both a little shifted are the same thing seen again; the mean of a
network's answers to them is more often right than the one, and so teaches more (Radosavovic et al.
2018, section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.augment import is_image, view
from tenfold.data.batches import Batch, logits_of
from tenfold.errors import bad_value
from tenfold.network.call import call
from tenfold.network.inputs import leaves
from tenfold.training.faults import one_number
from tenfold.training.losses import Average, classification_loss, feature_loss, output_loss
from tenfold.training.replaced import matching_blocks, recorded
from tenfold.training.settings import TuneSettings

Loss = Callable[[Any, Any], Tensor]  # output, batch as it came


class Objective:
    """The weighted loss of one batch, with the original kept frozen beside the student.

    ``average`` makes a mean over this process's part of a batch one over the whole batch, so
    that what is divided by it does not depend on how many processes there are.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        settings: TuneSettings,
        loss: Loss | None,
        average: Average = lambda value: value,
    ) -> None:
        self.forward: nn.Module = student  # what is called; its blocks are looked up in student
        self._student, self._teacher = student, teacher
        self._settings, self._loss, self._average = settings, loss, average
        self._blocks = matching_blocks(student, teacher)

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, a scalar with gradients to the student."""
        s = self._settings
        blocks = self._blocks if s.features else ()
        with torch.no_grad():
            with recorded(self._teacher, blocks) as goals:
                target = logits_of(call(self._teacher, batch.inputs))
            target = with_views(target, self._teacher, batch.inputs, s.views)
        with recorded(self._student, blocks) as features:
            output = call(self.forward, batch.inputs)

        def average(value: Tensor) -> Tensor:
            return self._average(batch.share * value)

        loss = s.logits * output_loss(logits_of(output), target, s, average)
        if blocks:
            loss = loss + s.features * feature_loss(features, goals, average)
        if s.task and self._loss is not None:
            loss = loss + s.task * with_gradient(one_number("loss", self._loss, output, batch.raw))
        elif s.task and batch.labels is not None:
            loss = loss + s.task * classification_loss(output, batch.labels, s.class_mode, average)
        return loss


def with_gradient(loss: Any) -> Any:
    """The user's loss, which must depend on the output where gradients are asked for."""
    if torch.is_grad_enabled() and not (isinstance(loss, Tensor) and loss.requires_grad):
        raise bad_value(
            "The loss must have a gradient",
            f"{loss!r:.40}",
            "compute it from the output with tensors all the way, without item() or detach()",
        )
    return loss


def with_views(answer: Tensor, teacher: nn.Module, inputs: Any, count: int) -> Tensor:
    """``answer`` ``(batch, classes)`` of the teacher to the inputs, averaged with its answers to
    ``count - 1`` further views. Raises InputError where mirroring would say something else."""
    if count == 1:
        return answer
    check_views(answer, inputs, count)
    further = [logits_of(call(teacher, view(inputs, index))) for index in range(1, count)]
    return torch.stack([answer, *further]).mean(0)


def check_views(answer: Tensor, inputs: Any, count: int) -> None:
    """Raises InputError unless the inputs are images and each has one answer."""
    rule = "Several views need images (batch, channels, height, width) with one answer each"
    if not any(is_image(x) for x in leaves(inputs)):
        raise bad_value(rule, f"views={count} and inputs of other kinds", "use views=1")
    if answer.ndim > 2:
        raise bad_value(rule, f"an output of shape {tuple(answer.shape)}", "use views=1")
