"""Whole tensors from those that FSDP spreads over processes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def whole(tensor: Tensor) -> Tensor:
    """The full tensor, in every process; one that is not spread as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def spread_like(value: Tensor, like: Any) -> Tensor:
    """A full tensor laid out as another one is."""
    if not hasattr(like, "placements"):
        return value.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers, detached copies."""
    return {k: whole(v.detach()).clone() for k, v in model.state_dict().items()}


@torch.no_grad()
def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put whole weights and buffers back. Raises KeyError or RuntimeError for a misfit."""
    own = model.state_dict()
    if own.keys() != state.keys():
        raise KeyError(*(own.keys() ^ state.keys()))
    for name, tensor in own.items():
        tensor.copy_(spread_like(state[name], tensor))
