"""Fashion-MNIST images and labels, read from the data set's own IDX files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

MEAN, STD = 0.2860, 0.3530  # of the 60,000 training images, pixels / 255


def read_idx(path: Path) -> Tensor:
    """Read one gzipped IDX file of unsigned bytes; returns a uint8 tensor of the stored shape."""
    raw = gzip.decompress(path.read_bytes())
    dims = raw[3]
    shape = np.frombuffer(raw, ">i4", count=dims, offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape).copy())


def write_idx(path: Path, values: Tensor) -> None:
    """Write a uint8 tensor as a gzipped IDX file, byte for byte the same on every run."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + values.numpy().tobytes(), mtime=0))


def standardise(images: Tensor) -> Tensor:
    """uint8 ``(n, 28, 28)`` to standardised float ``(n, 1, 28, 28)``."""
    return (images.float().div_(255).unsqueeze(1) - MEAN) / STD
