"""The embedded network: a small residual classifier for 28x28 grey images.

Widths of 64 and 128 are typical of what runs on phones and boards, and wide
enough for a decomposed layer to be faster on the clock, not only smaller.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; halves the resolution when ``stride`` is 2."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + self.shortcut(x))


class DemoNetwork(nn.Module):
    """Input ``(batch, 1, 28, 28)``, standardised grey; output ``(batch, 10)`` logits."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.block1 = ResidualBlock(width, 2 * width, stride=1)
        self.block2 = ResidualBlock(2 * width, 2 * width, stride=1)
        self.block3 = ResidualBlock(2 * width, 2 * width, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(2 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.stem(x))))
        return self.classifier(self.flatten(self.pool(x)))


def load_network() -> DemoNetwork:
    """The network with its trained weights, in evaluation mode."""
    network = DemoNetwork()
    with as_file(files("tenfold.demo") / "assets" / "weights.safetensors") as path:
        network.load_state_dict(load_file(path))
    return network.eval()


def example() -> Tensor:
    """One input, fixed noise of the right shape."""
    return torch.linspace(-1, 1, 28 * 28).reshape(1, 1, 28, 28)
