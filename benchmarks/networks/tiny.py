"""A tiny network and random images, for quick runs of every claim."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.networks.residual import with_statistics

CLASSES, SIZE, WIDTH = 10, 8, 8
TRAIN, TEST = 64, 32  # images


class TinyNetwork(nn.Module):
    """Input ``(batch, channels, height, width)`` of any size, output ``(batch, 10)`` logits."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = _conv(channels, WIDTH, stride=2)
        self.inner = _conv(WIDTH, 2 * WIDTH)
        self.classes = nn.Linear(2 * WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.inner(self.stem(x)).mean((2, 3)))


def _conv(n: int, m: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n, m, 3, stride, 1, bias=False), nn.BatchNorm2d(m), nn.ReLU())


def tiny(channels: int = 3) -> TinyNetwork:
    """Weights from a seed; BatchNorm statistics are those of a batch of noise."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TinyNetwork(channels)
        with_statistics(model, torch.randn(64, channels, SIZE, SIZE))
    return model


def read_images() -> dict[str, Tensor]:
    """Random images, named and laid out as those of ``cifar.read_cifar``."""
    random = torch.Generator().manual_seed(0)

    def draw(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=random)

    return {
        "train_x": draw(256, TRAIN, 3, SIZE, SIZE).to(torch.uint8),
        "train_y": draw(CLASSES, TRAIN),
        "test_x": draw(256, TEST, 3, SIZE, SIZE).to(torch.uint8),
        "test_y": draw(CLASSES, TEST),
    }


def example() -> Tensor:
    """One image's worth of zeros."""
    return torch.zeros(1, 3, SIZE, SIZE)
