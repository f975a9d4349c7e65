"""Training batches of small images, cropped and mirrored by chance on the device of the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.networks import cifar

BATCH, PAD = 128, 4


@dataclass(frozen=True)
class Augmented:
    """Training batches from bytes on a device, in a new order each epoch."""

    pixels: Tensor  # uint8 (n, 3, 32, 32), padded by PAD on all sides
    labels: Tensor
    batch: int = BATCH

    @classmethod
    def of(
        cls,
        pixels: Tensor,
        labels: Tensor,
        device: torch.device | str = "cpu",
        batch: int = BATCH,
    ) -> Augmented:
        """Pad with the mean colour, which is zero after normalisation."""
        grey = (cifar.MEAN * 255).round().to(torch.uint8).to(device)
        height, width = pixels.shape[-2:]
        wide = grey.expand(len(pixels), 3, height + 2 * PAD, width + 2 * PAD).clone()
        wide[..., PAD:-PAD, PAD:-PAD] = pixels.to(device)
        return cls(wide, labels.to(device), batch)

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
