"""Networks as people write them in plain torch, of any width, each with an input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Made = tuple[nn.Module, Any]  # a network and an example


class UNet(nn.Module):
    """Two levels down and, by transposed convolutions, up again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList([double(3, width), double(width, 2 * width)])
        self.middle = double(2 * width, 4 * width)
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2),
                nn.ConvTranspose2d(2 * width, width, 2, stride=2),
            ]
        )
        self.joined = nn.ModuleList([double(4 * width, 2 * width), double(2 * width, width)])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of two classes a pixel."""
        skipped = []
        for block in self.down:
            x = block(x)
            skipped.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, block, other in zip(self.up, self.joined, reversed(skipped)):
            x = block(torch.cat([up(x), other], 1))
        scores: Tensor = self.head(x)
        return scores


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with BatchNorm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def unet(width: int) -> Made:
    """For images of 32 x 32."""
    return UNet(width), torch.randn(1, 3, 32, 32)


def dcgan(width: int) -> Made:
    """The generator of Radford et al. 2016: from 100 numbers to an image of 32 x 32."""
    layers: list[nn.Module] = []
    sizes = [100, 4 * width, 2 * width, width]
    for index, (n, m) in enumerate(pairwise(sizes)):
        geometry = (4, 1, 0) if index == 0 else (4, 2, 1)
        layers += [nn.ConvTranspose2d(n, m, *geometry, bias=False), nn.BatchNorm2d(m), nn.ReLU()]
    layers += [nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers), torch.randn(1, 100, 1, 1)


def volumes(width: int) -> Made:
    """Convolutions over three axes."""
    sizes, layers = [1, width, 2 * width, 4 * width], list[nn.Module]()
    for n, m in pairwise(sizes):
        layers += [nn.Conv3d(n, m, 3, stride=2, padding=1), nn.BatchNorm3d(m), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(sizes[-1], 10)]
    return nn.Sequential(*layers), torch.randn(1, 1, 12, 12, 12)


class Sequences(nn.Module):
    """A table, a recurrent layer in both directions, a classifier on its last output."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU], words: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.layers = kind(width, width, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 5)

    def forward(self, ids: Tensor) -> Tensor:
        """Scores of five classes."""
        scores: Tensor = self.head(self.layers(self.table(ids))[0][:, -1])
        return scores


def recurrent(kind: type[nn.LSTM | nn.GRU], width: int) -> Made:
    """As many words as the layer is wide: most weights are recurrent."""
    return Sequences(kind, width, width), torch.randint(width, (2, 12))


class Speech(nn.Module):
    """Strided convolutions over a wave, then torch's transformer."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv1d(1, width, 10, stride=5), nn.GELU(), nn.Conv1d(width, width, 3, stride=2)
        )
        block = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(block, layers)
        self.head = nn.Linear(width, 30)

    def forward(self, wave: Tensor) -> Tensor:
        """Scores of thirty letters a frame."""
        scores: Tensor = self.head(self.encoder(self.front(wave).transpose(1, 2)))
        return scores


def speech(width: int) -> Made:
    """For half a thousand samples."""
    return Speech(width, 2), torch.randn(1, 1, 500)


class Attending(nn.Module):
    """Multi-head attention by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.MultiheadAttention(width, 4, batch_first=True)
        self.second = nn.MultiheadAttention(width, 4, batch_first=True)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of five classes."""
        x = x + self.first(x, x, x, need_weights=False)[0]
        x = x + self.second(x, x, x, need_weights=False)[0]
        scores: Tensor = self.head(x.mean(1))
        return scores


def attending(width: int) -> Made:
    """For nine vectors."""
    return Attending(width), torch.randn(2, 9, width)


class Language(nn.Module):
    """A causal model whose head multiplies by its table."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(words, width), nn.Embedding(64, width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Scores of the next word at each position."""
        first, second, last = self.norms
        x = self.table(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))[None]
        y = first(x)
        q, k, v = (layer(y)[:, None] for layer in (self.query, self.key, self.value))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0])
        x = x + self.down(F.gelu(self.up(second(x))))
        scores: Tensor = self.head(last(x))
        return scores


def language(width: int) -> Made:
    """With a vocabulary of twenty times its width."""
    return Language(20 * width, width), torch.randint(20 * width, (2, 12))


ORDINARY: Mapping[str, Callable[[int], Made]] = {
    "U-Net": unet,
    "DCGAN generator": dcgan,
    "3-D convolutions": volumes,
    "LSTM classifier": lambda width: recurrent(nn.LSTM, width),
    "GRU classifier": lambda width: recurrent(nn.GRU, width),
    "speech, nn.TransformerEncoder": speech,
    "nn.MultiheadAttention": attending,
    "language model, tied": language,
}
