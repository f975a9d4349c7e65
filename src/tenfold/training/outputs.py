"""How far a student's whole output is from the original's: every tensor that both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.network.padding import counted
from tenfold.tasks import Masks, parts_of
from tenfold.training.losses import Average, output_loss
from tenfold.training.settings import TuneSettings


def outputs_loss(
    mine: Mapping[str, Tensor],
    goals: Mapping[str, Tensor],
    masks: Masks,
    s: TuneSettings,
    average: Average,
) -> Tensor | None:
    """Mean over the tensors; the first as classes where it has them, the others as plain values.
    Padding does not count. None where no two have the same shape."""
    first, values = next(iter(goals), None), replace(s, class_mode=None)
    terms = [
        one_loss(mine[name], goal, masks, s if name == first else values, average)
        for name, goal in goals.items()
        if name in mine and mine[name].shape == goal.shape and goal.numel()
    ]
    return torch.stack(terms).mean() if terms else None


def one_loss(mine: Tensor, goal: Tensor, masks: Masks, s: TuneSettings, average: Average) -> Tensor:
    """That of one tensor, real or complex."""
    if goal.is_complex():
        mine, goal = torch.view_as_real(mine), torch.view_as_real(goal)
        return output_loss(mine, goal, replace(s, class_mode=None), average)
    mode = s.class_mode
    if masks and mode is not None and -goal.ndim <= mode < goal.ndim:
        mine, goal, s = mine.movedim(mode, -1), goal.movedim(mode, -1), replace(s, class_mode=-1)
    return output_loss(counted(mine, masks), counted(goal, masks), s, average)


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
