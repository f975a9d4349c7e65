"""Small networks drawn at random: every kind of layer that can be factored, in any order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor, nn


class Drawn(nn.Module):
    """Parts one after the other, each of which may give a tuple, of which the first goes on."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


def draw_network(seed: int) -> tuple[nn.Module, Tensor]:
    """A network with random weights, in evaluation mode, and an input of it."""
    random = Random(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network, example = random.choice(FAMILIES)(random)
        return network.eval(), example


def convolutional(random: Random) -> tuple[nn.Module, Tensor]:
    """Convolutions over one to three axes, some in groups, depthwise, dilated or transposed."""
    axes = random.choice((1, 2, 2, 2, 3))
    channels = start = 4 * random.randint(1, 4)
    parts: list[nn.Module] = []
    for _ in range(random.randint(1, 4)):
        after = 4 * random.randint(1, 6)
        parts += [convolution(random, axes, channels, after), *between(random, axes, after)]
        channels = after
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1](1)
    head = nn.Linear(channels, random.randint(2, 20), bias=random.random() < 0.7)
    size = [random.randint(7, 12) for _ in range(axes)]
    return Drawn(*parts, pool, nn.Flatten(), head), torch.randn(2, start, *size)


def convolution(random: Random, axes: int, channels: int, after: int) -> nn.Module:
    """One of the stock convolutions."""
    kernel = [random.choice((1, 2, 3, 5)) for _ in range(axes)]
    groups = random.choice(
        [g for g in (1, 1, 1, 2, 4, channels) if not (channels % g or after % g)]
    )
    asked: dict[str, Any] = {"groups": groups, "bias": random.random() < 0.5}
    if random.random() < 0.2:
        stock = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
        return stock(channels, after, kernel, **asked)
    stock = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    stride, dilation = random.choice((1, 1, 2)), random.choice((1, 1, 2))
    padding = [dilation * (k // 2) for k in kernel]
    return stock(
        channels, after, kernel, stride=stride, padding=padding, dilation=dilation, **asked
    )


def between(random: Random, axes: int, channels: int) -> list[nn.Module]:
    """What stands between two layers, normalisation or none."""
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes - 1](channels)
    active = random.choice((nn.ReLU, nn.GELU, nn.SiLU))()
    return [norm, active] if random.random() < 0.6 else [active]


def dense(random: Random) -> tuple[nn.Module, Tensor]:
    """Linear layers, some of them the same layer twice."""
    width = random.randint(6, 40)
    parts: list[nn.Module] = []
    for _ in range(random.randint(1, 4)):
        after = random.randint(6, 40)
        parts += [nn.Linear(width, after), nn.ReLU()]
        width = after
    if random.random() < 0.3:
        again = nn.Linear(width, width)
        parts += [again, nn.Tanh(), again]
    return Drawn(*parts), torch.randn(3, parts[0].in_features)  # type: ignore[arg-type]


def words(random: Random) -> tuple[nn.Module, Tensor]:
    """A table, then recurrent layers or attention, and a head that may be tied to the table."""
    entries, width = random.randint(30, 90), 4 * random.randint(2, 8)
    table = nn.Embedding(entries, width)
    inner = random.choice((recurrent, attention))(random, width)
    head = nn.Linear(width, entries)
    if random.random() < 0.4:
        head.weight = table.weight
    return Drawn(table, inner, head), torch.randint(0, entries, (2, random.randint(3, 9)))


def recurrent(random: Random, width: int) -> nn.Module:
    """An LSTM, GRU or RNN of one or two layers."""
    stock = random.choice((nn.LSTM, nn.GRU, nn.RNN))
    return stock(width, width, num_layers=random.randint(1, 2), batch_first=True)


def attention(random: Random, width: int) -> nn.Module:
    """A stock transformer layer."""
    heads = random.choice((1, 2, 4))
    return nn.TransformerEncoderLayer(
        width, heads, 2 * width, batch_first=True, norm_first=random.random() < 0.5
    )


FAMILIES: tuple[Callable[[Random], tuple[nn.Module, Tensor]], ...] = (
    convolutional,
    convolutional,
    dense,
    words,
)
