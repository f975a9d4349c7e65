"""What a term of the loss is: how far the student is from the original, or from its task, on one
batch, and with which weight that counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tenfold.data.batches import Batch
from tenfold.registry import Registry
from tenfold.tasks import Masks
from tenfold.training.settings import TuneSettings

Average = Callable[[Tensor], Tensor]  # of a batch's mean over all processes
UserLoss = Callable[[Any, Any], Tensor]  # output, batch as it came


@dataclass(frozen=True)
class Lesson:
    """One batch: what the student made of it, and what there is to learn from.

    ``features`` and ``goals`` are the outputs of the blocks around replaced layers, the student's
    and the original's; empty unless a term with a weight asks for them. ``masks`` say which
    positions count. ``task_loss`` is the user's own, if there is one. ``average`` makes a mean over
    this process's part of a batch one over the whole batch.
    """

    batch: Batch
    output: Any
    answer: Any
    features: Mapping[str, Tensor]
    goals: Mapping[str, Tensor]
    masks: Masks
    original: nn.Module
    task_loss: UserLoss | None
    settings: TuneSettings
    average: Average


class Term(ABC):
    """One term of the loss. Stateless. ``TuneSettings.weight_of`` says how much it counts."""

    name: str
    blocks = False  # whether it looks at the outputs of blocks

    @abstractmethod
    def of(self, lesson: Lesson) -> Tensor | None:
        """A mean over the batch, a scalar with gradients to the student; None where the batch has
        nothing that this term compares."""


LOSSES: Registry[Term] = Registry("loss", "tenfold.training.losses")
