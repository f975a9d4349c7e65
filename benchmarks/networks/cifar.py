"""CIFAR-10 (the JPEG copy) as tensors and batches.

``TENFOLD_DATA`` names the folder with ``cifar10_jpeg.tar.xz`` and
``resnet20_cifar10_jpeg.safetensors``; decoded images are kept in the temporary directory.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
HELD = 10_000  # training images to choose settings on


def folder() -> Path:
    """The data folder, or the way to name it."""
    path = Path(os.environ.get("TENFOLD_DATA", ""))
    if not os.environ.get("TENFOLD_DATA") or not (path / "cifar10_jpeg.tar.xz").exists():
        sys.exit("set TENFOLD_DATA to the folder that holds cifar10_jpeg.tar.xz")
    return path


def read_cifar() -> dict[str, Tensor]:
    """``train_x`` uint8 ``(50000, 3, 32, 32)``, ``train_y``, ``test_x``, ``test_y``."""
    cache = Path(tempfile.gettempdir()) / "tenfold_cifar10_jpeg.safetensors"
    if cache.exists():
        return load_file(cache)
    images = sorted(read_archive(), key=lambda image: (image.label, image.name))
    tensors = {}
    for split in ("train", "test"):
        tensors |= stacked(split, [image for image in images if image.split == split])
    save_file(tensors, cache)
    return tensors


@dataclass(frozen=True)
class Image:
    """A decoded image and what its path in the archive says of it."""

    split: str
    label: str
    name: str
    pixels: np.ndarray  # uint8 (32, 32, 3)


def read_archive() -> Iterator[Image]:
    """Every JPEG of the archive, decoded; paths end in ``split/label/name.jpg``."""
    with tarfile.open(folder() / "cifar10_jpeg.tar.xz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".jpg"):
                file = tar.extractfile(member)
                assert file is not None
                decoded = PIL.Image.open(io.BytesIO(file.read())).convert("RGB")
                yield Image(*Path(member.name).parts[-3:], np.asarray(decoded))


def stacked(split: str, images: Sequence[Image]) -> dict[str, Tensor]:
    """Pixels and labels of a split; labels are numbered in alphabetical order."""
    numbers = {label: k for k, label in enumerate(sorted({image.label for image in images}))}
    pixels = np.stack([image.pixels for image in images]).transpose(0, 3, 1, 2)
    return {
        f"{split}_x": torch.from_numpy(pixels.copy()),
        f"{split}_y": torch.tensor([numbers[image.label] for image in images]),
    }


def normalise(pixels: Tensor) -> Tensor:
    """Pixels 0 to 255 as the network wants them."""
    return (pixels.float() / 255 - MEAN.to(pixels.device)) / STD.to(pixels.device)


def split_indices(held: int = 2500, count: int = 50_000) -> tuple[Tensor, Tensor]:
    """Of so many training images, those to choose settings on, and the rest; fixed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[:held], order[held:]


def learned(held: int) -> tuple[Tensor, Tensor]:
    """Pixels and labels of the training images but those held apart."""
    raw, (_, rest) = read_cifar(), split_indices(held)
    return raw["train_x"][rest], raw["train_y"][rest]


def batches(pixels: Tensor, labels: Tensor, size: int = 50) -> list[tuple[Tensor, Tensor]]:
    """Normalised batches in order, channels innermost: depthwise layers run thrice as fast. Of 50
    images a CPU's cache holds what lies between two layers, of 500 it does not."""
    images = normalise(pixels).contiguous(memory_format=torch.channels_last)
    return list(zip(images.split(size), labels.split(size)))


def shown(split: str, held: int) -> list[tuple[Tensor, Tensor]]:
    """Batches to judge by: the test images, or so many training images held apart."""
    raw = read_cifar()
    if split == "test":
        return batches(raw["test_x"], raw["test_y"])
    apart, _ = split_indices(held)
    return batches(raw["train_x"][apart], raw["train_y"][apart])


def example() -> Tensor:
    """One image's worth of zeros."""
    return torch.zeros(1, 3, 32, 32)
