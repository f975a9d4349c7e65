"""Training batches of which half the images are blended or patched with other images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.networks.augmented import Augmented
from tenfold.data.augment import blend


def patch(images: Tensor) -> Tensor:
    """Each image as it is, or with a rectangle of its counterpart from the other end."""
    return pasted(images, rectangles(len(images), images.shape[-1]).to(images.device))


def pasted(images: Tensor, inside: Tensor) -> Tensor:
    """The counterpart's pixels where ``inside`` ``(count, size, size)`` is true."""
    return torch.where(inside[:, None], images.flip(0), images)


def rectangles(count: int, size: int) -> Tensor:
    """``(count, size, size)``, true inside: none for half of them, for the others all shares of the
    area are alike likely (CutMix, Yun et al. 2019)."""
    side = torch.rand(count, 1).sqrt() * size / 2
    middle = torch.rand(2, count, 1) * size
    down, across = (torch.arange(size) - middle).abs() < side
    return down[:, :, None] & across[:, None, :] & (torch.rand(count, 1, 1) < 0.5)


@dataclass(frozen=True)
class Blended(Augmented):
    """The same images without labels, half of each batch mixed with another image: the original
    says what to make of a mixture (Beyer et al. 2022, section 3)."""

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        for images, _ in super().__iter__():
            yield blend(images)


@dataclass(frozen=True)
class HalfLabelled(Augmented):
    """The same mixtures, and labels for the images that were left as they are; -100, which does not
    count, for the others."""

    mix: Callable[[Tensor], Tensor] = blend

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in super().__iter__():
            found = self.mix(images)
            mixed = (found != images).flatten(1).any(1)
            yield found, labels.masked_fill(mixed, -100)


@dataclass(frozen=True)
class HalfPatched(HalfLabelled):
    """Half of the images with a rectangle of another one in place of a blend."""

    mix: Callable[[Tensor], Tensor] = patch


@dataclass(frozen=True)
class Patched(Augmented):
    """The same rectangles, with labels ``(batch, 10)`` by area."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in super().__iter__():
            inside = rectangles(len(images), images.shape[-1]).to(images.device)
            own, other = F.one_hot(labels, 10).float(), F.one_hot(labels.flip(0), 10).float()
            yield pasted(images, inside), own.lerp(other, inside.float().mean((1, 2))[:, None])
