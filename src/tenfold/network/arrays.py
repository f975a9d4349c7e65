"""An example's tensors as arrays, and an output's as one tensor, whatever the engine returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.errors import bad_value


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
    """The tensors of an example as contiguous arrays. Raises InputError for a type without one."""
    tensors = [tensor.detach().cpu().contiguous() for tensor in flat_tensors(example)]
    for tensor in tensors:
        if tensor.dtype == torch.bfloat16:
            raise bad_value(
                "Inputs of this engine must be of a type that arrays have",
                "bfloat16",
                "time it on the engine eager, or in another type",
            )
    return [tensor.numpy() for tensor in tensors]


def first_tensor(output: Any) -> Tensor:
    """The first tensor of an output, on the CPU. Raises InputError when there is none."""
    found = next(flat_tensors(output), None)
    if found is None:
        raise bad_value(
            "A model's output must be or hold a tensor",
            type(output).__name__,
            "wrap the model so that it returns one, or several in a tuple or mapping",
        )
    return found.detach().cpu().clone()


def gap(wanted: Tensor, found: Tensor) -> float:
    """The largest difference as a share of the largest finite value; not-a-number and infinity are
    right where both have them."""
    if wanted.numel() == 0:
        return 0.0
    both = (wanted.isnan() & found.isnan()) | (wanted == found)
    apart = (wanted - found).abs().masked_fill(both, 0).max()
    return float(apart / wanted.nan_to_num(0, 0, 0).abs().max().clamp_min(1e-6))
