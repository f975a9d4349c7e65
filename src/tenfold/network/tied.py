"""Where a tensor lies: how two names of the same numbers are told."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def place_of(tensor: Tensor) -> int:
    """Where its first number lies; which tensor it is where none lie anywhere."""
    nowhere = tensor.is_meta or tensor.layout != torch.strided or not tensor.numel()
    return id(tensor) if nowhere else tensor.data_ptr()


def view_of(tensor: Tensor) -> Any:
    """The same for tensors that read the same numbers in the same way."""
    stride = tensor.stride() if tensor.layout == torch.strided else ()
    return place_of(tensor), tensor.shape, stride, tensor.dtype
