"""An optimiser's state as named whole tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenfold.training.shards import spread_like, whole


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
