"""An example at another batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def tile(
    example: Any, size: int, memory_format: torch.memory_format = torch.contiguous_format
) -> Any:
    """The example with its first mode repeated to ``size``."""
    if isinstance(example, Mapping):
        return {key: tile(value, size, memory_format) for key, value in example.items()}
    if isinstance(example, (tuple, list)):
        return tuple(tile(value, size, memory_format) for value in example)
    if not isinstance(example, Tensor) or example.ndim == 0:
        return example
    repeats = -(-size // len(example))
    tiled = example.repeat(repeats, *(1 for _ in example.shape[1:]))[:size]
    return tiled.contiguous(memory_format=memory_format) if tiled.ndim == 4 else tiled
