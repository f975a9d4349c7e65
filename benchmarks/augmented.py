"""Training batches of small images, cropped and mirrored by chance on the device of the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

import cifar
from tenfold.data.few import blend

BATCH, PAD = 128, 4


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
class Augmented:
    """Training batches from bytes on a device, in a new order each epoch."""

    pixels: Tensor  # uint8 (n, 3, 32, 32), padded by PAD on all sides
    labels: Tensor
    batch: int = BATCH

    @classmethod
    def of(cls, pixels: Tensor, labels: Tensor, device: torch.device | str = "cpu") -> Augmented:
        """Padded with the mean colour, which is zero after normalisation."""
        grey = (cifar.MEAN * 255).round().to(torch.uint8).to(device)
        height, width = pixels.shape[-2:]
        wide = grey.expand(len(pixels), 3, height + 2 * PAD, width + 2 * PAD).clone()
        wide[..., PAD:-PAD, PAD:-PAD] = pixels.to(device)
        return cls(wide, labels.to(device))

    def __len__(self) -> int:
        return len(self.pixels) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.pixels))[: len(self) * self.batch]
        for rows in order.to(self.pixels.device).split(self.batch):
            yield cifar.normalise(self.cropped(rows)), self.labels[rows]

    def cropped(self, rows: Tensor) -> Tensor:
        """A random window of each image, mirrored or not."""
        size, device = self.pixels.shape[-1] - 2 * PAD, rows.device
        along = torch.arange(size)
        top, left = torch.randint(0, 2 * PAD + 1, (2, len(rows), 1))
        mirrored = torch.rand(len(rows), 1) < 0.5
        columns = (left + torch.where(mirrored, along.flip(0), along)).to(device)
        down = (top + along).to(device)
        wide = self.pixels[rows].movedim(1, -1)
        picked = wide[
            torch.arange(len(rows), device=device)[:, None, None],
            down[:, :, None],
            columns[:, None, :],
        ]
        return picked.movedim(-1, 1)


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
