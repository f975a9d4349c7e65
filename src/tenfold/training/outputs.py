"""The tensors that two outputs have in common, and outputs as a network gives them in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.tasks import parts_of


def parts_in_common(output: Any, answer: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of both by name; the first of each where names say nothing in common."""
    mine, goals = parts_of(output), parts_of(answer)
    if mine and goals and not set(mine) & set(goals):
        return {"": next(iter(mine.values()))}, {"": next(iter(goals.values()))}
    return mine, goals


def are_alike(output: Any, answer: Any) -> bool:
    """Whether two outputs have the same tensors, of the same shapes."""
    mine, goals = parts_of(output), parts_of(answer)
    return {n: x.shape for n, x in mine.items()} == {n: x.shape for n, x in goals.items()}


def nothing_in_common(output: Any, answer: Any) -> Exception:
    """The error for outputs that distillation cannot compare."""
    shapes = (
        ", ".join(str(tuple(x.shape)) for x in parts_of(value).values()) or "no tensor"
        for value in (output, answer)
    )
    return bad_value(
        "The outputs of both networks must have a tensor of the same shape",
        " and ".join(shapes),
        "pass loss=... of your own, or wrap the network to give maps in place of what it finds",
    )


@contextmanager
def answering_as_in_training(model: nn.Module) -> Iterator[None]:
    """Modules of the user's own believe that they are trained, as some give other outputs then;
    torch's own, BatchNorm and dropout among them, stay in evaluation mode."""
    own = [
        module
        for module in model.modules()
        if not module.training and not type(module).__module__.startswith("torch.nn.")
    ]
    for module in own:
        module.training = True
    try:
        yield
    finally:
        for module in own:
            module.training = False
