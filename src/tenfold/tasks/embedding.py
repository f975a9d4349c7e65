"""Embeddings: only the direction of each vector matters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.tasks._base import TASKS, Evidence, Task, bare
from tenfold.tasks._gaps import projected, relative_gap, wide

LEAST = 8  # numbers in a vector that is taken for an embedding


class Embedding(Task):
    """Twice one minus the cosine, as the relative squared error of unit vectors along the last
    mode."""

    name = "embedding"

    def claims(self, seen: Evidence) -> bool:
        """Vectors of length one."""
        x = seen.main
        if x is None or x.is_complex() or x.ndim != 2 or x.shape[1] < LEAST or not len(x):
            return False
        lengths = x.detach().float().norm(dim=1)
        return bool(torch.isclose(lengths, torch.ones_like(lengths), atol=1e-3).all())

    def gap(self, mine: Tensor, goal: Tensor, main: bool) -> Tensor:
        """That of the directions."""
        return relative_gap(directions(wide(mine)), directions(wide(goal)))

    def drawn(self, part: Tensor, main: bool) -> Tensor:
        """A projection of the directions: what only stretches them has no gradient."""
        return projected(directions(part if part.is_complex() else part.float()))


def directions(x: Tensor) -> Tensor:
    """Vectors of length one, of any size: they are divided by their largest number first."""
    if not x.ndim or not x.numel():
        return x
    largest = x.detach().abs().amax(-1, keepdim=True).clamp_min(1e-30)
    return F.normalize(x / largest, dim=-1)


TASKS.add("embedding", bare("embedding", Embedding))
