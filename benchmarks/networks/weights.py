"""Weights of benchmark networks as files."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """As safetensors wants it."""
    return {name: value.cpu().contiguous() for name, value in model.state_dict().items()}


def write_weights(path: Path, model: nn.Module) -> None:
    """As they are."""
    save_file(state_of(model), path)


def write_half(path: Path, model: nn.Module) -> None:
    """Weights as float16; statistics, biases and scales as they are."""
    state = state_of(model).items()
    save_file({name: v.half() if v.ndim > 1 else v for name, v in state}, path)
