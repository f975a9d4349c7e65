"""Where a tensor lies: how two names of the same numbers are told."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def place_of(tensor: Tensor) -> int:
    """Where its first number lies; which tensor it is where none lie anywhere."""
    return id(tensor) if tensor.is_meta or not tensor.numel() else tensor.data_ptr()


def view_of(tensor: Tensor) -> Any:
    """The same for tensors that read the same numbers in the same way."""
    return place_of(tensor), tensor.shape, tensor.stride(), tensor.dtype
