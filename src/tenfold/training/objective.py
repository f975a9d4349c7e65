"""What the student is asked: the task, the original's outputs, and its blocks' features.

An image, its mirror image and both a little shifted are the same thing seen again; the mean of a
network's answers to them is more often right than the one, and so teaches more (Radosavovic et al.
2018, section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.augment import is_image, view
from tenfold.data.batches import Batch, logits_of
from tenfold.errors import bad_value
from tenfold.network.call import call, frozen_rng
from tenfold.network.inputs import leaves
from tenfold.network.padding import masks_of
from tenfold.training.faults import one_number
from tenfold.training.losses import Average, classification_loss, feature_loss
from tenfold.training.outputs import (
    answering_as_in_training,
    are_alike,
    nothing_in_common,
    outputs_loss,
    parts_in_common,
)
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
        answer, goals = self._ask(batch.inputs, blocks, as_in_training=False)
        with recorded(self._student, blocks) as features:
            output = call(self.forward, batch.inputs)
        if self.forward.training and not are_alike(output, answer):
            answer, goals = self._ask(batch.inputs, blocks, as_in_training=True)

        def average(value: Tensor) -> Tensor:
            return self._average(batch.share * value)

        loss = s.logits * self._output_loss(output, answer, batch.inputs, average)
        if blocks:
            loss = loss + s.features * feature_loss(features, goals, average)
        if s.task and self._loss is not None:
            loss = loss + s.task * with_gradient(one_number("loss", self._loss, output, batch.raw))
        elif s.task and batch.labels is not None:
            loss = loss + s.task * classification_loss(output, batch.labels, s.class_mode, average)
        return loss

    @torch.no_grad()
    def _ask(
        self, inputs: Any, blocks: tuple[str, ...], as_in_training: bool
    ) -> tuple[Any, dict[str, Tensor]]:
        """The original's output and its blocks' features. The random state stays where it is, so
        that the student draws the same noise."""
        manner = answering_as_in_training(self._teacher) if as_in_training else nullcontext()
        with recorded(self._teacher, blocks) as goals, manner, frozen_rng():
            return call(self._teacher, inputs), goals

    def _output_loss(self, output: Any, answer: Any, inputs: Any, average: Average) -> Tensor:
        """How far the outputs are apart; nothing where only the user's loss can compare them."""
        s = self._settings
        mine, goals = parts_in_common(output, answer)
        if s.views > 1 and goals:
            first = next(iter(goals))
            views = with_views(goals[first], self._teacher, inputs, s.views)
            goals = {**goals, first: views}
        masks = masks_of(self._teacher, inputs)
        loss = outputs_loss(mine, goals, masks, s, average)
        if loss is not None:
            return loss
        if self._loss is None and s.logits:
            raise nothing_in_common(output, answer)
        return torch.zeros((), device=next(self._student.parameters()).device)


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
