"""Tensors that are dear to make, kept on disk under a hash of the model and the settings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tenfold.machine.files import cache_folder, keep
from tenfold.network.identity import digest

VERSION = 3  # of the ways in which inputs are made: 2 took parts of one set


def cached(
    key: tuple[Any, ...], model: nn.Module, make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What ``make`` returns, from disk when it was made before for these weights.

    The cache is an aid only: a damaged entry is made anew, and an unwritable directory is
    passed over. Made or read, tensors lie in memory alike, so that sums over them are the same to
    the last bit.
    """
    folder, device = cache_folder(), next(model.parameters()).device
    if folder is None:
        return anew(make(), device)
    path = folder / f"{digest((VERSION, *key), model)}.safetensors"
    with contextlib.suppress(SafetensorError, OSError):
        return anew(load_file(path), device)
    held = {name: tensor.cpu().contiguous() for name, tensor in make().items()}
    keep(path, lambda part: save_file(held, part))
    return anew(held, device)


def anew(tensors: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Copies in memory of their own: a view may begin anywhere, and images of one channel may be
    laid out in two ways that both count as contiguous."""
    plain = torch.contiguous_format
    return {n: x.to(device).clone(memory_format=plain) for n, x in tensors.items()}
