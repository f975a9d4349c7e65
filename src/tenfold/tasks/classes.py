"""Classification: scores of classes along one mode of the output."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.errors import bad_value
from tenfold.network.padding import counted
from tenfold.tasks._base import TASKS, Evidence, Masks, Task
from tenfold.tasks._gaps import projected, relative_gap, wide
from tenfold.tasks._outputs import are_probabilities, look_like_scores, parts_of


class Classes(Task):
    """Kullback-Leibler divergence of the classes in the first tensor; others as plain values."""

    def __init__(self, mode: int = 1) -> None:
        self.name, self.class_mode = f"classes:{mode}", mode

    def claims(self, seen: Evidence) -> bool:
        """``(batch, classes)`` with labels that are classes, or that look like scores."""
        x, labels = seen.main, seen.labels
        if seen.listed or x is None or x.is_complex() or x.ndim < 2 or x.shape[1] < 2:
            return False
        if isinstance(labels, Tensor) and labels.shape[:1] == x.shape[:1]:
            if labels.is_floating_point():
                return labels.shape == x.shape and are_probabilities(labels)
            return labels.shape == (len(x), *x.shape[2:])
        return x.ndim == 2 and look_like_scores(x)

    def laid_out(self, part: Tensor, masks: Masks, main: bool) -> Tensor:
        """The first tensor with its classes last, one where the mode is missing."""
        if main:
            mode = self.class_mode or 0
            part = part.movedim(mode, -1) if -part.ndim <= mode < part.ndim else part.unsqueeze(-1)
        return counted(part, masks)

    def gap(self, mine: Tensor, goal: Tensor, main: bool) -> Tensor:
        """A divergence of the classes, averaged over everything else."""
        if not main or mine.shape != goal.shape or not has_classes(goal) or not goal.numel():
            return relative_gap(mine, goal)
        got, wanted = (log_shares(x) for x in (wide(mine), wide(goal)))
        terms = F.kl_div(got, wanted, reduction="none", log_target=True)
        return terms.masked_fill(wanted == -torch.inf, 0.0).sum(1).mean()

    def shift(self, output: Any, original: Any, masks: Masks | None = None) -> float:
        """The mean total variation between the classes, between 0 and 1."""
        pair = self.scores_of(output, original, masks)
        if pair is None:
            return super().shift(output, original, masks)
        mine, goal = (log_shares(wide(x)).exp() for x in pair)
        gap = float((mine - goal).abs().sum(1).mean() / 2)
        return gap if math.isfinite(gap) else 1.0

    def agreement(self, output: Any, original: Any, masks: Masks | None = None) -> Tensor | None:
        """Whether the likeliest class is the same."""
        pair = self.scores_of(output, original, masks)
        if pair is None:
            return None
        mine, goal = (x.reshape(-1, x.shape[-1]).argmax(1) for x in pair)
        return (mine == goal).double()

    def scores_of(
        self, output: Any, original: Any, masks: Masks | None
    ) -> tuple[Tensor, Tensor] | None:
        """Scores of both, classes last; None where there are none to compare."""
        mine, goal = (next(iter(parts_of(x).values()), None) for x in (output, original))
        if mine is None or goal is None or mine.shape != goal.shape or not goal.numel():
            return None
        pair = tuple(self.laid_out(x, masks or {}, True) for x in (mine, goal))
        return (pair[0], pair[1]) if has_classes(pair[1]) and pair[1].numel() else None

    def drawn(self, part: Tensor, main: bool) -> Tensor:
        """Cross-entropy at a class drawn from the output at each position."""
        if not main or not has_classes(part):
            return projected(part)
        logs = log_shares(part.float())
        shares = logs.detach().exp()
        if not bool(torch.isfinite(shares).all()):
            return projected(part)
        return F.nll_loss(logs, torch.multinomial(shares, 1).squeeze(1), reduction="sum")


def has_classes(x: Tensor) -> bool:
    """Whether there are two numbers or more in the last mode."""
    return not x.is_complex() and x.shape[-1] > 1


def log_shares(x: Tensor) -> Tensor:
    """Logarithms of probabilities ``(positions, classes)``, from scores or from themselves."""
    rows = x.reshape(-1, x.shape[-1])
    if are_probabilities(rows.detach()):
        rows = rows.clamp_min(1e-30).log()
    return F.log_softmax(rows, 1)


def make(argument: str) -> Classes:
    """Classes along mode 1, or along the one named. Raises InputError for no whole number."""
    try:
        return Classes(int(argument) if argument else 1)
    except ValueError:
        raise bad_value(
            "classes: must be followed by the mode that runs over classes",
            repr(argument),
            "use classes:1, or classes:-1 for the last mode",
        ) from None


TASKS.add("classes", make)
