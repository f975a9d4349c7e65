"""The embedded Fashion-MNIST images, read from the data set's own IDX files, as batches: 10,000 to
train on, the 10,000 test images to judge by."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.data.augment import blend

BATCH = 100
SHIFT = 2  # pixels
MEAN, STD = 0.2860, 0.3530  # of the 60,000 training images, pixels / 255


@dataclass(frozen=True)
class Shuffled:
    """Batches in a new order each time, mirrored and shifted at random: ``(images, labels)``."""

    images: Tensor
    labels: Tensor
    batch: int = BATCH

    def __len__(self) -> int:
        return len(self.images) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images))[: len(self) * self.batch]
        for rows in order.split(self.batch):
            yield augment(self.images[rows]), self.labels[rows]


@dataclass(frozen=True)
class Mixed(Shuffled):
    """Batches of inputs alone, about half of them blended with another image: the original knows
    what to say to a mixture, so few images teach much (Beyer et al. 2022, section 3)."""

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        for images, _ in super().__iter__():
            yield blend(images)


def augment(images: Tensor) -> Tensor:
    """Mirror each image or not; shift the batch by up to two pixels."""
    mirrored = torch.rand(len(images), 1, 1, 1) < 0.5
    padded = F.pad(
        torch.where(mirrored, images.flip(-1), images), [SHIFT] * 4, value=float(images.min())
    )
    down, right = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    height, width = images.shape[-2:]
    return padded[..., down : down + height, right : right + width].contiguous()


def read_split(split: str) -> tuple[Tensor, Tensor]:
    """Standardised images ``(10000, 1, 28, 28)`` and labels of ``"train"`` or ``"test"``."""
    assets = files("tenfold.demo") / "assets"
    with as_file(assets / f"{split}-images.gz") as images:
        pixels = standardise(read_idx(images))
    with as_file(assets / f"{split}-labels.gz") as labels:
        return pixels, read_idx(labels).long()


def train_batches() -> Shuffled:
    """Augmented training batches."""
    return Shuffled(*read_split("train"))


def held_batches(batch: int = 50) -> list[tuple[Tensor, Tensor]]:
    """The test images in order, few at a time: a CPU holds what is between layers in its cache."""
    images, labels = read_split("test")
    return list(zip(images.split(batch), labels.split(batch)))


def read_idx(path: Path) -> Tensor:
    """Read one gzipped IDX file of unsigned bytes; returns a uint8 tensor of the stored shape."""
    raw = gzip.decompress(path.read_bytes())
    dims = raw[3]
    shape = np.frombuffer(raw, ">i4", count=dims, offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape).copy())


def write_idx(path: Path, values: Tensor) -> None:
    """Write a uint8 tensor as a gzipped IDX file, byte for byte the same on every run."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + values.numpy().tobytes(), mtime=0))


def standardise(images: Tensor) -> Tensor:
    """uint8 ``(n, 28, 28)`` to standardised float ``(n, 1, 28, 28)``."""
    return (images.float().div_(255).unsqueeze(1) - MEAN) / STD
