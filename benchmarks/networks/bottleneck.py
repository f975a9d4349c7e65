"""A 50-layer bottleneck ResNet for 224x224 images (He et al. 2016, table 1), random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
WIDER = 4  # output channels over inner channels


def conv(n: int, m: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and BatchNorm."""
    return nn.Sequential(
        nn.Conv2d(n, m, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(m)
    )


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, and a shortcut."""

    def __init__(self, n: int, inner: int, stride: int) -> None:
        super().__init__()
        self.down = conv(n, inner, 1)
        self.spatial = conv(inner, inner, 3, stride)
        self.up = conv(inner, WIDER * inner, 1)
        changes = stride != 1 or n != WIDER * inner
        self.shortcut = conv(n, WIDER * inner, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.spatial(F.relu(self.down(x))))
        return F.relu(self.up(y) + self.shortcut(x))


class BottleneckNetwork(nn.Module):
    """Input ``(batch, 3, 224, 224)``, output ``(batch, 1000)`` logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)
        blocks, n = [], 64
        for stage, (inner, count) in enumerate(STAGES):
            for block in range(count):
                blocks.append(Bottleneck(n, inner, 2 if stage and not block else 1))
                n = WIDER * inner
        self.blocks = nn.Sequential(*blocks)
        self.classes = nn.Linear(n, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.pool(F.relu(self.stem(x))))
        return self.classes(x.mean((2, 3)))


def bottleneck() -> BottleneckNetwork:
    """Weights from a seed; BatchNorm statistics those of a batch of noise."""
    torch.manual_seed(0)
    model = BottleneckNetwork()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # an average, so one batch sets the statistics
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 224, 224))
    return model.eval()


def example() -> Tensor:
    """One image's worth of zeros."""
    return torch.zeros(1, 3, 224, 224)
