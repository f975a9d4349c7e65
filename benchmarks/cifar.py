"""CIFAR-10 (the JPEG copy) and ResNet-20 for the benchmarks.

``TENFOLD_DATA`` names the folder with ``cifar10_jpeg.tar.xz`` and
``resnet20_cifar10_jpeg.safetensors``; decoded images are kept in the temporary directory.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
APART = Path(__file__).parent / "results" / "resnet20_apart.safetensors"
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
    found: dict[str, list[tuple[str, int, np.ndarray]]] = {"train": [], "test": []}
    classes: dict[str, int] = {}
    entries = []
    with tarfile.open(folder() / "cifar10_jpeg.tar.xz") as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and member.name.endswith(".jpg"):
                data = tar.extractfile(member)
                assert data is not None
                pixels = np.asarray(Image.open(io.BytesIO(data.read())).convert("RGB"))
                entries.append((parts[-3], parts[-2], parts[-1], pixels))
    for index, name in enumerate(sorted({e[1] for e in entries})):
        classes[name] = index
    for split, label, file, pixels in entries:
        found[split].append((f"{label}/{file}", classes[label], pixels))
    tensors = {}
    for split, items in found.items():
        items.sort(key=lambda item: item[0])
        tensors[f"{split}_x"] = torch.from_numpy(
            np.stack([p for _, _, p in items]).transpose(0, 3, 1, 2).copy()
        )
        tensors[f"{split}_y"] = torch.tensor([y for _, y, _ in items])
    save_file(tensors, cache)
    return tensors


def normalise(pixels: Tensor) -> Tensor:
    """Pixels 0 to 255 as the network wants them."""
    return (pixels.float() / 255 - MEAN.to(pixels.device)) / STD.to(pixels.device)


def split_indices(held: int = 2500) -> tuple[Tensor, Tensor]:
    """Training images to choose settings on, and the rest; fixed."""
    order = torch.randperm(50_000, generator=torch.Generator().manual_seed(0))
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


class Shortcut(nn.Module):
    """Option A: every second pixel, and zero channels on both sides."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = (
            Shortcut(width - width_in) if width != width_in else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet-20 for 32x32 images (He et al. 2016, section 4.2)."""

    def __init__(self, blocks: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        stages = [
            nn.Sequential(
                *(
                    Block(
                        widths[k] if b == 0 else widths[k + 1],
                        widths[k + 1],
                        2 if b == 0 and k > 0 else 1,
                    )
                    for b in range(blocks)
                )
            )
            for k in range(3)
        ]
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def resnet20() -> ResNet:
    """With the baseline's weights, in evaluation mode."""
    model = ResNet()
    model.load_state_dict(load_file(folder() / "resnet20_cifar10_jpeg.safetensors"), strict=True)
    return model.eval()


def resnet56() -> ResNet:
    """A larger one, trained on the original images, in evaluation mode."""
    model = ResNet(blocks=9)
    model.load_state_dict(load_file(folder() / "resnet56_cifar10.safetensors"), strict=True)
    return model.eval()


def load_apart() -> ResNet:
    """A ResNet-20 that has never seen the ``HELD`` images of ``split_indices``, from
    ``train_cifar_network.py``: what recovers it can be judged on them."""
    model = ResNet()
    model.load_state_dict(load_file(APART))  # half precision becomes single
    return model.eval()


def example() -> Tensor:
    """One image's worth of zeros."""
    return torch.zeros(1, 3, 32, 32)
