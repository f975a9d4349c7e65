"""What the student is asked: the task, the original's outputs, and its blocks' features.

Logit distillation after Hinton et al. 2015; features after the published method's equation 10,
normalised so that no block outweighs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.errors import bad_value
from tenfold.forward import call
from tenfold.tune.batches import Batch, logits_of
from tenfold.tune.settings import TuneSettings

Loss = Callable[[Any, Any], Tensor]  # output, batch as it came


class Objective:
    """The weighted loss of one batch, with the original kept frozen beside the student."""

    def __init__(
        self, student: nn.Module, teacher: nn.Module, settings: TuneSettings, loss: Loss | None
    ) -> None:
        self._student, self._teacher = student, teacher
        self._settings, self._loss = settings, loss
        self._blocks = matching_blocks(student, teacher)

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, a scalar with gradients to the student."""
        s = self._settings
        with torch.no_grad(), recorded(self._teacher, self._blocks) as wanted:
            target = logits_of(call(self._teacher, batch.inputs))
        with recorded(self._student, self._blocks) as found:
            output = call(self._student, batch.inputs)
        loss = s.logits * divergence(logits_of(output), target, s.temperature, s.class_mode)
        if s.features and self._blocks:
            loss = loss + s.features * feature_loss(found, wanted)
        if s.task and self._loss is not None:
            loss = loss + s.task * self._loss(output, batch.raw)
        elif s.task and batch.labels is not None:
            loss = loss + s.task * classification_loss(output, batch.labels, s.class_mode)
        return loss


def divergence(output: Tensor, target: Tensor, temperature: float, mode: int) -> Tensor:
    """``T^2 KL(target || output)`` of the softened outputs, averaged over all but their mode."""
    if output.ndim <= mode:
        return (output - target).square().mean() / target.square().mean().clamp_min(1e-12)
    soft = F.log_softmax(output.float() / temperature, dim=mode)
    goal = F.log_softmax(target.float() / temperature, dim=mode)
    pointwise = F.kl_div(soft, goal, reduction="none", log_target=True).sum(mode)
    return pointwise.mean() * temperature**2


def classification_loss(output: Any, labels: Any, mode: int) -> Tensor:
    """Cross-entropy, for integer labels on the given mode."""
    logits = logits_of(output)
    if not isinstance(labels, Tensor) or labels.is_floating_point():
        raise bad_value(
            "Labels must be integer class indices", getattr(labels, "dtype", type(labels).__name__),
            "pass loss=... for another task",
        )  # fmt: skip
    return F.cross_entropy(logits.movedim(mode, 1).float(), labels.long())


def feature_loss(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    """Mean over blocks of ``||student - original||^2 / ||original||^2``."""
    pairs = [(found[name], wanted[name]) for name in found if name in wanted]
    terms = [
        (mine - goal).square().mean() / goal.square().mean().clamp_min(1e-12)
        for mine, goal in pairs
        if mine.shape == goal.shape
    ]
    return torch.stack(terms).mean() if terms else torch.zeros(())


def matching_blocks(student: nn.Module, teacher: nn.Module) -> tuple[str, ...]:
    """Names of the blocks around replaced layers; a replaced layer of the root is its own."""
    theirs = dict(teacher.named_modules())
    replaced = [
        name
        for name, module in student.named_modules()
        if name in theirs and type(module) is not type(theirs[name])
    ]
    blocks = {name.rpartition(".")[0] or name for name in replaced}
    return tuple(sorted(name for name in blocks if name in theirs))


@contextmanager
def recorded(model: nn.Module, names: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """Tensor outputs of the named modules during the block."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.is_floating_point():
                seen[name] = output

        return hook

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
