"""ResNets for 224x224 images (He et al. 2016, table 1) and CREPE (Kim et al. 2018), with random
weights: networks of the sizes that people have, for timing alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DEPTHS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def conv(n: int, m: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and BatchNorm."""
    return nn.Sequential(
        nn.Conv2d(n, m, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(m)
    )


class Block(nn.Module):
    """Two 3x3 layers or, if ``wider``, 1x1 down, 3x3, 1x1 up to four times as many channels; and a
    shortcut."""

    def __init__(self, n: int, inner: int, stride: int, wider: bool) -> None:
        super().__init__()
        outer = 4 * inner if wider else inner
        layers = (
            [conv(n, inner, 1), conv(inner, inner, 3, stride), conv(inner, outer, 1)]
            if wider
            else [conv(n, inner, 3, stride), conv(inner, outer, 3)]
        )
        self.layers = nn.ModuleList(layers)
        changes = stride != 1 or n != outer
        self.shortcut = conv(n, outer, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers[:-1]:
            y = F.relu(layer(y))
        return F.relu(self.layers[-1](y) + self.shortcut(x))


class ResNet(nn.Module):
    """Input ``(batch, 3, 224, 224)``, output ``(batch, 1000)`` logits."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        wider = depth > 34
        self.stem, self.pool = conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)
        blocks, n = [], 64
        for stage, count in enumerate(DEPTHS[depth]):
            inner = 64 * 2**stage
            for block in range(count):
                blocks.append(Block(n, inner, 2 if stage and not block else 1, wider))
                n = 4 * inner if wider else inner
        self.blocks = nn.Sequential(*blocks)
        self.classes = nn.Linear(n, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.pool(F.relu(self.stem(x))))
        return self.classes(x.mean((2, 3)))


def resnet(depth: int) -> tuple[nn.Module, Tensor]:
    """A network and an example; BatchNorm statistics are those of a batch of noise."""
    return settled(partial(ResNet, depth), (4, 3, 224, 224))


def crepe() -> tuple[nn.Module, Tensor]:
    """Six convolutions of up to 512 x 1 and 64 x 1 over 1,024 samples, 22 million parameters."""
    return settled(pitch_layers, (4, 1, 1024, 1))


def pitch_layers() -> nn.Module:
    """Those layers, each with its padding, BatchNorm and pooling."""
    widths, layers, n = (1024, 128, 128, 128, 256, 512), [], 1
    for k, width in enumerate(widths):
        kernel, stride = (512, 4) if k == 0 else (64, 1)
        layers += [
            nn.ZeroPad2d((0, 0, (kernel - stride) // 2, (kernel - stride + 1) // 2)),
            nn.Conv2d(n, width, (kernel, 1), (stride, 1)),
            nn.ReLU(),
            nn.BatchNorm2d(width),
            nn.MaxPool2d((2, 1)),
        ]
        n = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 360))


def small(depth: int, width: int) -> tuple[nn.Module, Tensor]:
    """A few 3x3 layers on images of 32 pixels."""
    return settled(partial(plain_layers, depth, width), (4, 3, 32, 32))


def plain_layers(depth: int, width: int) -> nn.Module:
    """Those layers and a classifier."""
    layers: list[nn.Module] = []
    for k in range(depth):
        layers += [conv(width if k else 3, width, 3, 1 + k % 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def settled(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """Weights from a seed, BatchNorm statistics of one batch of noise, and one input of zeros."""
    torch.manual_seed(0)
    model = make()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return with_statistics(model, torch.randn(shape)), torch.zeros(1, *shape[1:])


@torch.no_grad()
def with_statistics(model: nn.Module, noise: Tensor) -> nn.Module:
    """The network in evaluation mode, its BatchNorm statistics those of one batch."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # an average, so one batch sets the statistics
    model.train()(noise)
    return model.eval()
