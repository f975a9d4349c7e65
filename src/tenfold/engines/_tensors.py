"""An example's tensors as arrays, and an output's as one tensor, whatever the engine returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def flat_tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor or array in a nested value, in order."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, np.ndarray):
        yield torch.from_numpy(value)
    elif isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from flat_tensors(item)


def flat_arrays(example: Any) -> list[np.ndarray[Any, Any]]:
    """The tensors of an example as contiguous arrays."""
    return [tensor.detach().cpu().contiguous().numpy() for tensor in flat_tensors(example)]


def first_tensor(output: Any) -> Tensor:
    """The first tensor of an output, on the CPU."""
    return next(flat_tensors(output)).detach().cpu().clone()
