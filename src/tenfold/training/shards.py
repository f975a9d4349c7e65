"""Whole tensors from those that FSDP spreads over processes, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor

from tenfold.network.digest import tensors_of


def whole(tensor: Tensor) -> Tensor:
    """The full tensor, in every process; one that is not spread as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def spread_like(value: Tensor, like: Tensor) -> Tensor:
    """A full tensor laid out as another one is."""
    if not isinstance(like, DTensor):
        return value.to(like.device)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def spread_again(model: nn.Module) -> None:
    """FSDP leaves parameters gathered after a forward pass that no backward follows."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers, detached copies."""
    spread_again(model)
    return {k: whole(v.detach()).clone() for k, v in tensors_of(model).items()}


@torch.no_grad()
def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put whole weights and buffers back. Raises KeyError or RuntimeError for a misfit."""
    own = tensors_of(model)
    if own.keys() != state.keys():
        raise KeyError(*(own.keys() ^ state.keys()))
    for name, tensor in own.items():
        tensor.copy_(spread_like(state[name], tensor))
