"""The original's whole output: its first tensor as classes (Hinton et al. 2015), others as values.

An image, its mirror image and both a little shifted are the same thing seen again; the mean of a
network's answers to them is more often right than the one, and so teaches more (Radosavovic et al.
2018, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.data.augment import is_image, view
from tenfold.data.batches import logits_of
from tenfold.errors import bad_value
from tenfold.network.call import call
from tenfold.network.inputs import leaves
from tenfold.network.padding import counted
from tenfold.tasks import Masks
from tenfold.training.losses._base import LOSSES, Average, Lesson, Term
from tenfold.training.losses._measures import mean_square, wide
from tenfold.training.outputs import nothing_in_common, parts_in_common
from tenfold.training.settings import TuneSettings


class Logits(Term):
    """How far the outputs are apart."""

    name = "logits"

    def of(self, lesson: Lesson) -> Tensor | None:
        """Mean over the tensors; None where only the user's loss can compare them."""
        s, inputs = lesson.settings, lesson.batch.inputs
        mine, goals = parts_in_common(lesson.output, lesson.answer)
        if s.views > 1 and goals:
            first = next(iter(goals))
            views = with_views(goals[first], lesson.original, inputs, s.views)
            goals = {**goals, first: views}
        loss = outputs_loss(mine, goals, lesson.masks, s, lesson.average)
        if loss is None and lesson.task_loss is None:
            raise nothing_in_common(lesson.output, lesson.answer)
        return loss


def outputs_loss(
    mine: Mapping[str, Tensor],
    goals: Mapping[str, Tensor],
    masks: Masks,
    s: TuneSettings,
    average: Average,
) -> Tensor | None:
    """Mean over the tensors; the first as classes where it has them, the others as plain values.
    Padding does not count. None where no two have the same shape."""
    first, values = next(iter(goals), None), replace(s, class_mode=None)
    terms = [
        one_loss(mine[name], goal, masks, s if name == first else values, average)
        for name, goal in goals.items()
        if name in mine and mine[name].shape == goal.shape and goal.numel()
    ]
    return torch.stack(terms).mean() if terms else None


def one_loss(mine: Tensor, goal: Tensor, masks: Masks, s: TuneSettings, average: Average) -> Tensor:
    """That of one tensor, real or complex."""
    if goal.is_complex():
        mine, goal = torch.view_as_real(mine), torch.view_as_real(goal)
        return output_loss(mine, goal, replace(s, class_mode=None), average)
    mode = s.class_mode
    if masks and mode is not None and -goal.ndim <= mode < goal.ndim:
        mine, goal, s = mine.movedim(mode, -1), goal.movedim(mode, -1), replace(s, class_mode=-1)
    return output_loss(counted(mine, masks), counted(goal, masks), s, average)


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


LOSSES.add("logits", Logits())
