"""Distances of two tensors that do not depend on their scale."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

MANY = 2000  # rows of a set that are compared at most


def relative_gap(mine: Tensor, goal: Tensor) -> Tensor:
    """Mean squared error over mean square. Sets of another size are compared as sets, other shapes
    where they overlap, with zeros around. What is infinite in the goal does not count."""
    if mine.shape != goal.shape:
        if mine.ndim == goal.ndim and mine.ndim and mine.shape[1:] == goal.shape[1:]:
            return set_gap(mine, goal)
        mine, goal = padded(mine, goal)
    if not goal.numel():
        return torch.zeros(())
    mine, goal = wide(mine), wide(goal)
    finite = torch.isfinite(goal)
    if not bool(finite.all()):
        mine, goal = mine[finite], goal[finite]
        if not goal.numel():
            return torch.zeros(())
    size = goal.abs().max().clamp_min(torch.finfo(torch.float64).tiny)  # squares may overflow
    mine, goal = mine / size, goal / size
    return (mine - goal).abs().square().mean() / goal.abs().square().mean().clamp_min(1e-300)


def set_gap(mine: Tensor, goal: Tensor) -> Tensor:
    """The same for rows in any order and of any number: each is compared to the nearest of the
    other set; 1 where one set is empty."""
    mine, goal = (as_rows(x) for x in (mine, goal))
    if not len(mine) or not len(goal):
        return torch.tensor(float(len(mine) != len(goal)))
    size = goal.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    far = torch.cdist(mine / size, goal / size).square()
    near = far.amin(0).mean() + far.amin(1).mean()
    return near / 2 / (goal / size).square().sum(1).mean().clamp_min(1e-300)


def as_rows(x: Tensor) -> Tensor:
    """Rows ``(n, numbers)`` in float64, the first of very many."""
    x = torch.view_as_real(x) if x.is_complex() else x
    x = x[:MANY]
    return x.reshape(len(x), x[:1].numel() or 1 if len(x) else 1).double()


def padded(mine: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Both with zeros up to the larger size along every mode."""
    modes = max(mine.ndim, goal.ndim)
    mine, goal = (x.reshape(*[1] * (modes - x.ndim), *x.shape) for x in (mine, goal))
    sizes = [max(pair) for pair in zip(mine.shape, goal.shape)]

    def pad(x: Tensor) -> Tensor:
        return F.pad(
            x, [n for have, want in zip(x.shape[::-1], sizes[::-1]) for n in (0, want - have)]
        )

    return pad(mine), pad(goal)


def wide(x: Tensor) -> Tensor:
    """In double precision, real or complex."""
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def projected(part: Tensor) -> Tensor:
    """A random projection of a tensor in units of its size."""
    part = torch.view_as_real(part) if part.is_complex() else part
    seen = part.detach().float()
    finite = torch.isfinite(seen)
    size = torch.where(finite, seen, 0).abs().max().clamp_min(1e-30)
    noise = torch.randn_like(seen) * finite / size
    rms = (torch.where(finite, seen, 0) / size).square().mean().sqrt().clamp_min(1e-30)
    return (torch.where(finite, part, 0).float() * noise / rms).sum()


def integer_gap(mine: Mapping[str, Tensor], goals: Mapping[str, Tensor]) -> float:
    """Share of whole numbers that differ, where outputs hold nothing else."""
    gaps = [
        float((mine[name] != goal).double().mean())
        if name in mine and mine[name].shape == goal.shape
        else 1.0
        for name, goal in goals.items()
        if goal.numel()
    ]
    return sum(gaps) / len(gaps) if gaps else 0.0
