"""Small networks for tests, with fixed random weights."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class TinyResNet(nn.Module):
    """Two residual blocks and a classifier on 3x12x12 inputs."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.head = nn.Linear(2 * width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.block(x))
        x = torch.relu(self.down(x))
        return self.head(x.mean((2, 3)))


def tiny_resnet(seed: int = 0, width: int = 12) -> TinyResNet:
    """The network with weights drawn from a seed and BatchNorm statistics of noise."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = TinyResNet(width)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
        return with_statistics(model, torch.randn(64, 3, 12, 12))


def with_statistics(model: M, x: Tensor) -> M:
    """The network in evaluation mode, its BatchNorms with the statistics of one batch."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # an average, so one batch sets the statistics
    with torch.no_grad():
        model.train()(x)
    return model.eval()


def example(batch: int = 1) -> Tensor:
    """An input of ``TinyResNet``."""
    return torch.linspace(-1, 1, batch * 3 * 12 * 12).reshape(batch, 3, 12, 12)
