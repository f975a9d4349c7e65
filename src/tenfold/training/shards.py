"""Whole tensors of a model or an optimiser, from those that FSDP spreads, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor

from tenfold.network.identity import tensors_of


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


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Entries ``index.key``, the parameters numbered through all groups."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{key}": whole(torch.as_tensor(value))
        for index, entries in state.items()
        for key, value in entries.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put named tensors back. Raises RuntimeError, ValueError or IndexError for a misfit."""
    params = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        like = params[int(index)]
        if value.ndim and value.shape != like.shape:
            raise RuntimeError(f"{key} of a parameter of shape {tuple(value.shape)}")
        fitting = spread_like(value, like) if value.shape == like.shape else value
        state.setdefault(int(index), {})[key] = fitting
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
