"""Networks for timing, in plain torch with random weights: structure is all a clock sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.networks.tiny import example as tiny_example
from benchmarks.networks.tiny import tiny
from benchmarks.networks.vgg import Vgg16
from tenfold.demo.network import example as demo_example
from tenfold.demo.network import load_network


def conv_bn(n: int, m: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution and BatchNorm."""
    padding = kernel // 2
    return [nn.Conv2d(n, m, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(m)]


class Block(nn.Module):
    """Basic residual block (He et al. 2016)."""

    def __init__(self, n: int, m: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn(n, m, 3, stride), nn.ReLU(inplace=True), *conv_bn(m, m, 3)
        )
        plain = stride == 1 and n == m
        self.shortcut = nn.Identity() if plain else nn.Sequential(*conv_bn(n, m, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet18() -> tuple[nn.Module, Tensor]:
    """ResNet-18 at 224 pixels."""
    blocks: list[nn.Module] = []
    width = 64
    for stage, wider in enumerate((64, 128, 256, 512)):
        for index in range(2):
            blocks.append(Block(width, wider, 2 if stage and not index else 1))
            width = wider
    model = nn.Sequential(
        *conv_bn(3, 64, 7, 2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(512, 1000),
    )
    return model, torch.randn(1, 3, 224, 224)


def vgg16() -> tuple[nn.Module, Tensor]:
    """VGG-16 as it is used for CIFAR, at 32 pixels."""
    return Vgg16(), torch.randn(1, 3, 32, 32)


def separable() -> tuple[nn.Module, Tensor]:
    """MobileNet (Howard et al. 2017), depthwise and pointwise in turn, at 224 pixels."""
    plan = [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    ]
    layers: list[nn.Module] = [*conv_bn(3, 32, 3, 2), nn.ReLU(inplace=True)]
    width = 32
    for wider, stride in plan:
        layers += [*conv_bn(width, width, 3, stride, width), nn.ReLU(inplace=True)]
        layers += [*conv_bn(width, wider, 1), nn.ReLU(inplace=True)]
        width = wider
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))
    return model, torch.randn(1, 3, 224, 224)


class Attention(nn.Module):
    """Multi-head self-attention from stock linear layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, width = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(b, n, width))


class Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """A small vision transformer (Dosovitskiy et al. 2021; the widths of DeiT-tiny, 6 layers)."""

    def __init__(self, width: int = 192, depth: int = 6, heads: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.position = nn.Parameter(torch.randn(1, 196, width) / 50)
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.layers(x)).mean(1))


def vit() -> tuple[nn.Module, Tensor]:
    """The transformer at 224 pixels."""
    return Vit(), torch.randn(1, 3, 224, 224)


def demo() -> tuple[nn.Module, Tensor]:
    """The embedded network, trained."""
    return load_network(), demo_example()


def make(name: str) -> tuple[nn.Module, Tensor]:
    """The network of this name with fixed weights, in evaluation mode, and an input."""
    makers = {
        "demo": demo,
        "resnet18": resnet18,
        "vgg16": vgg16,
        "separable": separable,
        "vit": vit,
        "tiny": lambda: (tiny(), tiny_example()),
    }
    torch.manual_seed(0)
    model, example = makers[name]()
    return model.eval(), example
