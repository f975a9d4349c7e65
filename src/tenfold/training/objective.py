"""The loss of one batch: what the original says and how its blocks see it, and the task."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import Batch
from tenfold.network.call import call, frozen_rng
from tenfold.network.padding import masks_of
from tenfold.training.losses import LOSSES, Average, Lesson, Term, UserLoss
from tenfold.training.outputs import answering_as_in_training, are_alike
from tenfold.training.replaced import matching_blocks, recorded
from tenfold.training.settings import TuneSettings, read_weight


class Objective:
    """The weighted sum of all losses, with the original kept frozen beside the student.

    ``average`` makes a mean over this process's part of a batch one over the whole batch, so
    that what is divided by it does not depend on how many processes there are.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        settings: TuneSettings,
        loss: UserLoss | None,
        average: Average = lambda value: value,
    ) -> None:
        self.forward: nn.Module = student  # what is called; its blocks are looked up in student
        self._student, self._teacher = student, teacher
        self._settings, self._loss, self._average = settings, loss, average
        self._terms = terms_of(settings)
        wanted = any(term.blocks for term, _ in self._terms)
        self._blocks = matching_blocks(student, teacher) if wanted else ()

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, a scalar with gradients to the student."""
        lesson = self._lesson(batch)
        terms = ((weight, term.of(lesson)) for term, weight in self._terms)
        parts = [weight * value for weight, value in terms if value is not None]
        zero = torch.zeros((), device=next(self._student.parameters()).device)
        return sum(parts[1:], parts[0]) if parts else zero

    def _lesson(self, batch: Batch) -> Lesson:
        """What both networks say to a batch."""
        answer, goals = self._ask(batch.inputs, as_in_training=False)
        with recorded(self._student, self._blocks) as features:
            output = call(self.forward, batch.inputs)
        if self.forward.training and not are_alike(output, answer):
            answer, goals = self._ask(batch.inputs, as_in_training=True)

        def average(value: Tensor) -> Tensor:
            return self._average(batch.share * value)

        masks = masks_of(self._teacher, batch.inputs)
        return Lesson(
            batch,
            output,
            answer,
            features,
            goals,
            masks,
            self._teacher,
            self._loss,
            self._settings,
            average,
        )

    @torch.no_grad()
    def _ask(self, inputs: Any, *, as_in_training: bool) -> tuple[Any, dict[str, Tensor]]:
        """The original's output and its blocks' features. The random state stays where it is, so
        that the student draws the same noise."""
        manner = answering_as_in_training(self._teacher) if as_in_training else nullcontext()
        with recorded(self._teacher, self._blocks) as goals, manner, frozen_rng():
            return call(self._teacher, inputs), goals


def terms_of(settings: TuneSettings) -> list[tuple[Term, float]]:
    """The terms that count, with their weights. Raises InputError for a loss that is not there."""
    for entry in settings.losses:
        LOSSES[read_weight(entry)[0]]
    weights = ((term, settings.weight_of(term.name)) for term in LOSSES.values())
    return [(term, weight) for term, weight in weights if weight]
