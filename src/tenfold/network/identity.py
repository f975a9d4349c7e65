"""What tells one tensor from another, and one model from another: where numbers lie, and a hash of
all weights."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.call import evaluating
from tenfold.network.inputs import items
from tenfold.network.names import walk

VERSION = 1  # of the hash; another one makes anew what was kept under it


def place_of(tensor: Tensor) -> int:
    """Where its first number lies; which tensor it is where none lie anywhere."""
    nowhere = tensor.is_meta or tensor.layout != torch.strided or not tensor.numel()
    return id(tensor) if nowhere else tensor.data_ptr()


def view_of(tensor: Tensor) -> Any:
    """The same for tensors that read the same numbers in the same way."""
    stride = tensor.stride() if tensor.layout == torch.strided else ()
    return place_of(tensor), tensor.shape, stride, tensor.dtype


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers; a state may hold other things as well."""
    return {k: value for k, value in model.state_dict().items() if isinstance(value, Tensor)}


def digest(key: tuple[Any, ...], model: nn.Module) -> str:
    """Hash of the settings, the module tree and every weight."""
    hasher = hashlib.sha256(repr((VERSION, key)).encode())
    with evaluating(model):
        hasher.update(repr(model).encode())
    for name, value in tensors_of(model).items():
        hasher.update(name.encode())
        value = value if value.layout == torch.strided else value.to_dense()
        hasher.update(
            value.detach().cpu().contiguous().flatten().view(-1).numpy(force=True).tobytes()
            if value.dtype.is_floating_point and value.element_size() >= 4
            else value.detach().cpu().float().numpy().tobytes()
        )
    return hasher.hexdigest()[:32]


def digest_of(value: Any) -> str:
    """Hash of a nested value: every tensor in it by name, type, shape and numbers, and what else
    there is as it reads."""
    hasher = hashlib.sha256()
    for name, x in walk(value):
        hasher.update(f"{name} {x.dtype} {tuple(x.shape)}".encode())
        hasher.update(numbers_of(x).view(torch.uint8).numpy().data)
    others = [item for item in items(value) if not isinstance(item, Tensor)]
    hasher.update(repr(others).encode())
    return hasher.hexdigest()[:32]


def numbers_of(x: Tensor) -> Tensor:
    """All numbers one after the other, in the memory of the processor."""
    x = x if x.layout == torch.strided else x.to_dense()
    return x.detach().cpu().resolve_conj().contiguous().reshape(-1)
