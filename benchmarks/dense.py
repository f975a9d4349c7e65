"""What networks of one original have in common beside their factors, compiled once for all.

Composed, chains of different formats and ranks are kernels of one size; the rest is one function of
these kernels and of the images, in which normalisation, addition and rectifier are one pass.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from composed import Composed


class Dense:
    """Computes what any composed network of the original computes while it trains."""

    def __init__(self, original: nn.Module) -> None:
        self.like = copy.deepcopy(original).train()
        self.body = torch.compile(self._body, fullgraph=True)

    def __call__(self, student: nn.Module, images: Tensor) -> Tensor:
        """As the student itself, up to rounding; statistics follow the batch."""
        return self.body(dict(dense_state(student, images)), images)  # type: ignore[no-any-return]

    def _body(self, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self.like, tensors, (images,), strict=True)  # type: ignore[no-any-return]


def dense_state(student: nn.Module, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by the names that the original has for them."""
    for name, module in student.named_modules():
        if isinstance(module, Composed):
            yield f"{name}.weight", module.kernel(images)
    yield from rest(student)


def rest(student: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All but the factors of composed chains; of these the bias, which is the last one's."""
    composed = {
        f"{name}." for name, module in student.named_modules() if isinstance(module, Composed)
    }
    for name, tensor in (*student.named_parameters(), *student.named_buffers()):
        layer, _, kind = name.rpartition(".")
        chain = layer.rstrip("0123456789")
        if chain not in composed:
            yield name, tensor
        elif kind == "bias":
            yield chain + kind, tensor


def fits(student: nn.Module, original: nn.Module) -> bool:
    """Whether a network is the original but for composed chains."""
    theirs = {name for name, _ in (*original.named_parameters(), *original.named_buffers())}
    chained = {
        f"{name}.weight" for name, module in student.named_modules() if isinstance(module, Composed)
    }
    return chained | {name for name, _ in rest(student)} == theirs
