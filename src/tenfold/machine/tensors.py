"""Tensors by name: those below a prefix, each laid out in memory alike, and one number for all by
which a damaged file is told."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor


def checksum(tensors: Mapping[str, Tensor], facts: str) -> str:
    """Of names, types, shapes and every byte: a disk may return what was never written."""
    total = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), total)
        total = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"


def pick(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Entries below a prefix, without it."""
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries with a prefix before their names."""
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def in_order(x: Tensor) -> Tensor:
    """A copy in memory of its own: a view may begin anywhere, and images of one channel may be
    laid out in two ways that both count as contiguous."""
    return x.clone(memory_format=torch.contiguous_format)
