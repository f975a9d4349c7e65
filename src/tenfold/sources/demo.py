"""``demo``: the embedded network, its training images and its test images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from tenfold.demo.data import held_batches, train_batches
from tenfold.demo.network import example, load_network
from tenfold.sources._base import SOURCES, Source


class Demo(Source):
    """Fashion-MNIST and a small residual network, from the package."""

    form = "demo"

    def claims(self, text: str) -> bool:
        """The word itself."""
        return text == "demo"

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """The embedded network and an image of its size."""
        return load_network(), example()

    def data(self, text: str, split: str) -> Iterable[Any]:
        """Training images augmented, test images as they are."""
        return train_batches() if split == "train" else held_batches()


SOURCES.add("demo", Demo())
