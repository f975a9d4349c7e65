"""Outputs of blocks, compared by their squared difference (the published method's equation 10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenfold.training.losses._base import LOSSES, Average, Lesson, Term
from tenfold.training.losses._measures import mean_gap, mean_square


class Features(Term):
    """The blocks around replaced layers, each normalised so that no block outweighs the others."""

    name = "features"
    blocks = True

    def of(self, lesson: Lesson) -> Tensor | None:
        """Mean over the blocks; None where there are none."""
        if not lesson.goals:
            return None
        return feature_loss(lesson.features, lesson.goals, lesson.average)


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


LOSSES.add("features", Features())
