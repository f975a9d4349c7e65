"""An example at another batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def tile(example: Any, size: int) -> Any:
    """The example with its first mode repeated to ``size``."""
    if isinstance(example, Mapping):
        return {key: tile(value, size) for key, value in example.items()}
    if isinstance(example, (tuple, list)):
        return tuple(tile(value, size) for value in example)
    if not isinstance(example, Tensor) or example.ndim == 0:
        return example
    repeats = -(-size // len(example))
    return example.repeat(repeats, *(1 for _ in example.shape[1:]))[:size]
