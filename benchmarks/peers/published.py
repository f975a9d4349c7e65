"""Figures that authors published, quoted: other weights, other data, long training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of the super layer's paper (arXiv 2409.03555, as its authors' repository quotes it):
    top-1 on CIFAR-10, and what was removed, in per cent."""

    network: str
    what: str
    top1: float
    params: float | None = None
    flops: float | None = None


ROWS = (
    Published("ResNet-20", "original", 91.25),
    Published("ResNet-20", "CP", 90.82, 77.62, 73.44),
    Published("ResNet-20", "TT", 91.40, 72.28, 70.40),
    Published("VGG-16", "original", 92.78),
    Published("VGG-16", "CP", 92.51, 98.60, 86.23),
    Published("VGG-16", "TT", 93.20, 95.51, 86.10),
)
