"""Tensors that are dear to make, kept on disk under a hash of the model and the settings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tenfold.machine.files import cache_folder, keep
from tenfold.network.identity import digest


def cached(
    key: tuple[Any, ...], model: nn.Module, make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What ``make`` returns, from disk when it was made before for these weights.

    The cache is an aid only: a damaged entry is made anew, and an unwritable directory is
    passed over.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / f"{digest(key, model)}.safetensors"
    device = next(model.parameters()).device
    with contextlib.suppress(SafetensorError, OSError):
        return {name: tensor.to(device) for name, tensor in load_file(path).items()}
    made = make()
    held = {name: tensor.cpu().contiguous() for name, tensor in made.items()}
    keep(path, lambda part: save_file(held, part))
    return made
