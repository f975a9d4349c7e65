"""What networks of one original have in common beside their factors, compiled once for all.

Composed, chains of different formats and ranks are kernels of one size; the rest is one function of
these kernels and of the images, in which normalisation, addition and rectifier are one pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from research.recovery.composed import Composed


class Dense:
    """Computes what any composed network of the original computes while it trains. ``like`` is a
    network of the original's structure; it is put into training mode."""

    def __init__(self, like: nn.Module) -> None:
        self.like = like.train()
        self.body = torch.compile(self._body, fullgraph=True)

    def __call__(self, student: nn.Module, images: Tensor) -> Tensor:
        """As the student itself, up to rounding; statistics follow the batch."""
        kernels = {f"{name}.weight": m.kernel(images) for name, m in composed_in(student).items()}
        return self.body({**kernels, **rest(student)}, images)  # type: ignore[no-any-return]

    def _body(self, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self.like, tensors, (images,), strict=True)  # type: ignore[no-any-return]


def composed_in(student: nn.Module) -> dict[str, Composed]:
    """The composed chains by name."""
    return {name: m for name, m in student.named_modules() if isinstance(m, Composed)}


def rest(student: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by the names that the original has for them, but for the factors of
    composed chains; of these the bias, which is the last one's."""
    chains, found = composed_in(student), {}
    for name, tensor in named_tensors(student):
        layer, _, kind = name.rpartition(".")
        chain = layer.rpartition(".")[0]
        if chain not in chains:
            found[name] = tensor
        elif kind == "bias":
            found[f"{chain}.bias"] = tensor
    return found


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def fits(student: nn.Module, original: nn.Module) -> bool:
    """Whether a network is the original but for composed chains."""
    chained = {f"{name}.weight" for name in composed_in(student)}
    return chained | rest(student).keys() == {name for name, _ in named_tensors(original)}
