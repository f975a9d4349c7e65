"""The convolution or matrix product that a module runs, as torch is asked for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CONVOLUTION = ("x", "weight", "bias", "stride", "padding", "dilation", "groups")
TRANSPOSED = ("x", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
PRODUCT = ("x", "swapped")  # by a weight (in, out)
# what each stock class computes with, and the names of the arguments in their order
OPERATIONS: Mapping[type[nn.Module], Mapping[Callable[..., Any], tuple[str, ...]]] = {
    nn.Conv1d: {F.conv1d: CONVOLUTION},
    nn.Conv2d: {F.conv2d: CONVOLUTION},
    nn.Conv3d: {F.conv3d: CONVOLUTION},
    nn.ConvTranspose1d: {F.conv_transpose1d: TRANSPOSED},
    nn.ConvTranspose2d: {F.conv_transpose2d: TRANSPOSED},
    nn.ConvTranspose3d: {F.conv_transpose3d: TRANSPOSED},
    nn.Linear: {
        F.linear: ("x", "weight", "bias"),
        torch.addmm: ("bias", "x", "swapped"),
        torch.matmul: PRODUCT,
        torch.mm: PRODUCT,
        Tensor.matmul: PRODUCT,
        Tensor.__matmul__: PRODUCT,
        Tensor.mm: PRODUCT,
    },
}


@dataclass(frozen=True)
class Operation:
    """What went in, the weight as the stock class keeps it, and the arguments beside them."""

    x: Tensor
    weight: Tensor
    geometry: Mapping[str, Any]  # stride, padding, ... as tuples, and groups

    @property
    def channels(self) -> tuple[int, int]:
        """Those of the input and of the output."""
        groups = self.geometry.get("groups", 1)
        if "output_padding" in self.geometry:
            return self.weight.shape[0], self.weight.shape[1] * groups
        return self.weight.shape[1] * groups, self.weight.shape[0]

    @property
    def kernel(self) -> tuple[int, ...]:
        """The spatial sizes of the weight."""
        return tuple(self.weight.shape[2:])


class Listener(TorchFunctionMode):
    """Notes the operations of a stock class that run inside the block."""

    def __init__(self, stock: type[nn.Module]) -> None:
        super().__init__()
        self.names, self.heard = OPERATIONS[stock], list[Operation]()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run it, and note it where it is one."""
        result = func(*args, **(kwargs or {}))
        if func in self.names:
            named = dict(zip(self.names[func], args)) | rename(kwargs or {})
            self.heard += noted(named, "output_padding" in self.names[func])
        return result


def rename(named: Mapping[str, Any]) -> dict[str, Any]:
    """Torch's names for the input and for the weight, as they are said here."""
    ours = {"input": "x", "mat1": "x", "other": "swapped", "mat2": "swapped"}
    return {ours.get(name, name): value for name, value in named.items()}


def noted(named: Mapping[str, Any], transposed: bool) -> list[Operation]:
    """The operation with these arguments, if its weight can be read."""
    x, swapped = named.get("x"), named.get("swapped")
    weight = swapped.T if isinstance(swapped, Tensor) and swapped.ndim == 2 else named.get("weight")
    if not isinstance(x, Tensor) or not isinstance(weight, Tensor):
        return []
    return [Operation(x, weight, geometry_of(named, weight.ndim - 2, transposed))]


def geometry_of(named: Mapping[str, Any], axes: int, transposed: bool) -> dict[str, Any]:
    """One entry an axis; what was left out is torch's default."""
    if not axes:
        return {}
    usual = {"stride": 1, "padding": 0, "dilation": 1} | (
        {"output_padding": 0} if transposed else {}
    )
    each = {name: along(named.get(name, value), axes) for name, value in usual.items()}
    return {**each, "groups": named.get("groups", 1)}


def along(value: Any, axes: int) -> Any:
    """A number for every axis, or the words that stand for them."""
    if isinstance(value, str):
        return value
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values
