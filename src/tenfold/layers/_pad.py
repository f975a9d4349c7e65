"""What a layer pads before it convolves, by the same sides always or by the size of its input; and
how that is told from what an operation read and what its layer was given."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.layers._operation import Operation

Sides = tuple[tuple[int, int], ...]  # before and after, an entry a spatial axis
MODES = ("constant", "reflect", "replicate", "circular")  # that are tried


class Pads(ABC):
    """A rule for the sides, and what they are filled with."""

    mode: str = "constant"  # of ``F.pad``; a constant is zero

    @abstractmethod
    def sides(self, sizes: Sequence[int]) -> Sides:
        """What is added to an input of these spatial sizes."""

    def padded(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The spatial sizes with the padding."""
        return tuple(n + before + after for n, (before, after) in zip(sizes, self.sides(sizes)))

    def pad(self, x: Tensor, axes: int) -> Tensor:
        """An input ``(..., *spatial)`` over so many axes, padded."""
        return F.pad(x, flat(self.sides(x.shape[x.ndim - axes :])), mode=self.mode)


@dataclass(frozen=True)
class FixedPads(Pads):
    """The same sides for every input."""

    fixed: Sides
    mode: str = "constant"

    def sides(self, sizes: Sequence[int]) -> Sides:
        """Those."""
        return self.fixed


@dataclass(frozen=True)
class SamePads(Pads):
    """As many outputs as the input has strides, the rule of TensorFlow: zeros on both sides, an
    odd one at the end, or at the beginning where ``upper`` is false."""

    axes: tuple[tuple[int, int, int], ...]  # kernel, stride and dilation
    upper: bool = True

    def sides(self, sizes: Sequence[int]) -> Sides:
        """What is missing to the last window, in halves."""
        missing = [
            max(0, (-(-n // stride) - 1) * stride + dilation * (kernel - 1) + 1 - n)
            for n, (kernel, stride, dilation) in zip(sizes, self.axes)
        ]
        halves = [(total // 2, total - total // 2) for total in missing]
        return tuple(half if self.upper else half[::-1] for half in halves)


class PadFirst(nn.Module):
    """The padding as a module, in front of the links of a chain."""

    def __init__(self, pads: Pads, axes: int) -> None:
        super().__init__()
        self.pads, self.axes = pads, axes

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *spatial)``, or without the batch."""
        return self.pads.pad(x, self.axes)

    def extra_repr(self) -> str:
        """The rule."""
        return str(self.pads)


def flat(sides: Sides) -> list[int]:
    """The sides as ``F.pad`` takes them, the last axis first."""
    return [side for pair in reversed(sides) for side in pair]


def pads_between(inputs: Sequence[Tensor], operations: Sequence[Operation]) -> Pads | None:
    """The rule that tells all these padded inputs; None where nothing is padded.

    Raises ValueError where there is none.
    """
    first, axes = operations[0], len(operations[0].kernel)
    if not axes or all(torch.equal(x, op.x) for x, op in zip(inputs, operations)):
        return None
    for rule in rules(sides_of(inputs[0], first.x, axes), first):
        if all(same(rule.pad(x, axes), op.x) for x, op in zip(inputs, operations)):
            return rule
    raise ValueError("it changes its input before that, and not by a padding that tenfold knows")


def rules(sides: Sides, operation: Operation) -> list[Pads]:
    """What may have padded an input by these sides."""
    names = ("stride", "dilation")
    geometry = zip(operation.kernel, *(operation.geometry[name] for name in names))
    axes = tuple(geometry)
    return [*(FixedPads(sides, mode) for mode in MODES), SamePads(axes), SamePads(axes, False)]


def sides_of(x: Tensor, padded: Tensor, axes: int) -> Sides:
    """Where an input lies inside a padded one. Raises ValueError where it does not."""
    totals = [b - a for a, b in zip(x.shape[-axes:], padded.shape[-axes:])]
    if x.shape[:-axes] != padded.shape[:-axes] or min(totals) < 0:
        raise ValueError("it changes the shape of its input before that")
    for before in itertools.product(*(range(total + 1) for total in totals)):
        inner = [slice(b, b + n) for b, n in zip(before, x.shape[-axes:])]
        if torch.equal(padded[(slice(None),) * (x.ndim - axes) + tuple(inner)], x):
            return tuple((b, total - b) for b, total in zip(before, totals))
    raise ValueError("it changes the numbers of its input before that")


def same(x: Tensor, y: Tensor) -> bool:
    """Equal in shape and in every number."""
    return x.shape == y.shape and torch.equal(x, y)


def merged(operation: Operation, pads: Pads | None) -> tuple[Operation, Pads | None]:
    """Zeros on both sides alike become padding of the convolution itself."""
    padding = operation.geometry.get("padding")
    if not isinstance(pads, FixedPads) or pads.mode != "constant" or isinstance(padding, str):
        return operation, pads
    if any(before != after for before, after in pads.fixed):
        return operation, pads
    both = tuple(p + side for p, (side, _) in zip(padding or (), pads.fixed))
    return replace(operation, geometry={**operation.geometry, "padding": both}), None
