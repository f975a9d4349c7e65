"""Small networks that are built as well-known ones are, with fixed random weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.computing import PadSame, Plain, Standardised


class Residual(nn.Module):
    """A bottleneck of ResNet; of ResNeXt and RegNet with groups."""

    def __init__(self, width, inner, groups=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x):
        return torch.relu(x + self.body(x))


class Inverted(nn.Module):
    """A block of MobileNetV3: expand, depthwise, squeeze and excite, project."""

    def __init__(self, width, inner):
        super().__init__()
        self.expand = nn.Conv2d(width, inner, 1, bias=False)
        self.spread = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.squeeze, self.excite = nn.Conv2d(inner, 8, 1), nn.Conv2d(8, inner, 1)
        self.project = nn.Conv2d(inner, width, 1, bias=False)

    def forward(self, x):
        y = F.hardswish(self.spread(F.hardswish(self.expand(x))))
        gate = self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True))))
        return x + self.project(y * F.hardsigmoid(gate))


class Shuffled(nn.Module):
    """A block of ConvNeXt: depthwise, norm over channels last, two linear layers."""

    def __init__(self, width):
        super().__init__()
        self.spread, self.norm = nn.Conv2d(width, width, 7, 1, 3, groups=width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(0.1 * torch.ones(width))

    def forward(self, x):
        y = self.norm(self.spread(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """A block of ViT: one layer for queries, keys and values."""

    def __init__(self, width, heads=2):
        super().__init__()
        self.heads, self.norms = heads, nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        parts = self.qkv(self.norms[0](x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class Patches(nn.Module):
    """Patches of an image, a learned start and places, blocks, a classifier."""

    def __init__(self, width=24):
        super().__init__()
        self.cut = nn.Conv2d(3, width, 4, stride=4)
        self.start = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 10, width))
        self.blocks = nn.Sequential(Attention(width), Attention(width))
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.start.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.blocks(x)[:, 0])


class Mixing(nn.Module):
    """A block of MLP-Mixer: linear layers over patches, then over channels."""

    def __init__(self, width, patches):
        super().__init__()
        self.over = nn.Sequential(nn.Linear(patches, 18), nn.GELU(), nn.Linear(18, patches))
        self.along = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))

    def forward(self, x):
        x = x + self.over(x.transpose(1, 2)).transpose(1, 2)
        return x + self.along(x)


class Dense(nn.Module):
    """DenseNet: each layer reads all before it."""

    def __init__(self, width=16, growth=8):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width + k * growth),
                nn.ReLU(),
                nn.Conv2d(width + k * growth, growth, 3, padding=1, bias=False),
            )
            for k in range(3)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Ghost(nn.Module):
    """GhostNet: half of the channels are made from the others, depthwise."""

    def __init__(self, n, m):
        super().__init__()
        self.main, self.cheap = nn.Conv2d(n, m, 1), nn.Conv2d(m, m, 3, padding=1, groups=m)

    def forward(self, x):
        y = torch.relu(self.main(x))
        return torch.cat([y, self.cheap(y)], 1)


class Branches(nn.Module):
    """A block of Inception: kernels of several shapes side by side."""

    def __init__(self, n, m):
        super().__init__()
        self.ways = nn.ModuleList(
            [
                nn.Conv2d(n, m, 1),
                nn.Sequential(nn.Conv2d(n, m, (1, 5), padding=(0, 2)), nn.Conv2d(m, m, (5, 1))),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(n, m, 3, padding=1)),
            ]
        )

    def forward(self, x):
        return torch.cat([F.adaptive_avg_pool2d(way(x), 6) for way in self.ways], 1)


class Merged(nn.Module):
    """A block of RepVGG in training: a large and a pointwise kernel and the input, added."""

    def __init__(self, width):
        super().__init__()
        self.large, self.point = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.norm(x) + self.large(x) + self.point(x))


def classifier(*layers, width=24, head=nn.Linear):
    """An image network with 3 input channels that ends in five scores."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head(width, 5))


def stem(width, stride=2):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )


IMAGES = {
    "ResNet": lambda: classifier(stem(24), Residual(24, 12), Residual(24, 12)),
    "ResNeXt": lambda: classifier(stem(32), Residual(32, 32, groups=4), width=32),
    "MobileNetV3": lambda: classifier(stem(16), Inverted(16, 48), width=16, head=Plain),
    "EfficientNet": lambda: classifier(
        PadSame(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.SiLU(), Inverted(16, 48), width=16
    ),
    "NF-ResNet": lambda: classifier(
        Standardised(3, 24, 3, padding=1), nn.ReLU(), Standardised(24, 24, 3, stride=2), nn.ReLU()
    ),
    "ConvNeXt": lambda: classifier(nn.Conv2d(3, 24, 4, stride=4), Shuffled(24), Shuffled(24)),
    "ViT": Patches,
    "Mixer": lambda: nn.Sequential(
        nn.Conv2d(3, 24, 4, stride=4),
        nn.Flatten(2),
        Mixing(9, 24),
        nn.Flatten(),
        nn.Linear(24 * 9, 5),
    ),
    "DenseNet": lambda: classifier(stem(16), Dense(), width=40),
    "VGG": lambda: classifier(stem(16), nn.MaxPool2d(2), stem_like(16, 32), width=32),
    "GhostNet": lambda: classifier(stem(16), Ghost(16, 16), Ghost(32, 16), width=32),
    "Inception": lambda: classifier(stem(16, stride=1), Branches(16, 12), width=36),
    "RepVGG": lambda: classifier(stem(20), Merged(20), Merged(20), width=20),
}


def stem_like(n, m):
    return nn.Sequential(nn.Conv2d(n, m, 3, padding=1), nn.BatchNorm2d(m), nn.ReLU())
