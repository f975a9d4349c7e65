"""How far the inputs of a batch lie from each other in the output (Park et al. 2019, equation 4).

What embeddings are used for are their distances: these may be right where the vectors themselves
have turned.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.training.losses._base import LOSSES, Lesson, Term
from tenfold.training.losses._measures import wide
from tenfold.training.outputs import parts_in_common


class Relations(Term):
    """Distances between all pairs of a batch, in units of their mean."""

    name = "relations"

    def of(self, lesson: Lesson) -> Tensor | None:
        """Smooth absolute difference of the first tensor's distances; None for a single input."""
        mine, goals = parts_in_common(lesson.output, lesson.answer)
        for name, goal in goals.items():
            if name in mine and mine[name].shape == goal.shape and len(goal) > 1:
                return F.smooth_l1_loss(distances(mine[name]), distances(goal))
        return None


def distances(output: Tensor) -> Tensor:
    """Of all pairs of inputs, ``(pairs,)``, with a mean of 1."""
    each = F.pdist(wide(output).flatten(1))
    return each / each.mean().clamp_min(torch.finfo(each.dtype).tiny)


LOSSES.add("relations", Relations())
