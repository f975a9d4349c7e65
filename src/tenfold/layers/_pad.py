"""What a layer pads before it convolves: by the same sides always, or by the size of its input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

Sides = tuple[tuple[int, int], ...]  # before and after, an entry a spatial axis


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
