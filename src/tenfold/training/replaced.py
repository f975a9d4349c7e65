"""The layers that were replaced: which parameters learn for them, and the blocks around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from tenfold.network.watch import watching


def replaced_layers(student: nn.Module, teacher: nn.Module) -> list[str]:
    """Names of the layers that are of another type in the student."""
    theirs = dict(teacher.named_modules())
    return [
        name
        for name, module in student.named_modules()
        if name in theirs and type(module) is not type(theirs[name])
    ]


def matching_blocks(student: nn.Module, teacher: nn.Module) -> tuple[str, ...]:
    """Names of the blocks around replaced layers; a replaced layer of the root is its own."""
    theirs = dict(teacher.named_modules())
    replaced = replaced_layers(student, teacher)
    blocks = {name.rpartition(".")[0] or name for name in replaced}
    return tuple(sorted(name for name in blocks if name in theirs))


def let_learn(student: nn.Module, teacher: nn.Module) -> None:
    """Factors learn, in place, even where the layer that they replace was frozen; of a network
    that is frozen as a whole, as many are that only run, everything does."""
    if not any(p.requires_grad for p in student.parameters()):
        for parameter in student.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
    for name in replaced_layers(student, teacher):
        student.get_submodule(name).requires_grad_(True)


def groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and BatchNorm parameters do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@contextmanager
def recorded(model: nn.Module, names: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """Outputs of the named modules during the block; of several tensors the first."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            if isinstance(first, Tensor) and first.is_floating_point():
                seen[name] = first

        return hook

    with watching({model.get_submodule(name): keep(name) for name in names}):
        yield seen
