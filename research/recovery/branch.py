"""One of the networks that are recovered side by side: what it learns from, and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.training import TuneSettings
from tenfold.training.loop import size
from tenfold.training.losses.logits import output_loss
from tenfold.training.workers import OneProcess

AVERAGE = OneProcess().average  # over the one process


@dataclass
class Branch:
    """One network, the feed that it learns from, how, and which network's answers it is taught;
    None where it has labels alone."""

    student: nn.Module
    feed: int
    settings: TuneSettings
    teacher: int | None = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def loss(self, output: Tensor, labels: Tensor, target: Tensor | None) -> Tensor:
        """Of its answers, the labels and the original's answers."""
        s = self.settings
        loss = s.task * label_loss(output, labels)
        if target is not None:
            loss = loss + s.logits * output_loss(output, target, s, AVERAGE)
        return loss

    def peak_rate(self, teachers: Sequence[nn.Module]) -> float:
        """The one that is set, or that of the sizes."""
        before = self.student if self.teacher is None else teachers[self.teacher]
        return self.settings.peak_rate(size(before), size(self.student))


def label_loss(output: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of classes, those of -100 left out, or of shares of them ``(batch, classes)``;
    a graph that is being recorded could not say which class is none."""
    return F.cross_entropy(output.float(), labels)
