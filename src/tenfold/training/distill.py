"""What the student is asked: the task, the original's outputs, and its blocks' features.

Logit distillation after Hinton et al. 2015; features after the published method's equation 10,
normalised so that no block outweighs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.data.batches import Batch, logits_of
from tenfold.data.labels import UNCOUNTED, as_classes
from tenfold.errors import bad_value
from tenfold.network.call import call
from tenfold.network.watch import watching
from tenfold.training.asked import one_number
from tenfold.training.settings import TuneSettings
from tenfold.training.views import with_views

Loss = Callable[[Any, Any], Tensor]  # output, batch as it came
Average = Callable[[Tensor], Tensor]  # of a batch's mean over all processes


class Objective:
    """The weighted loss of one batch, with the original kept frozen beside the student.

    ``average`` makes a mean over this process's part of a batch one over the whole batch, so
    that what is divided by it does not depend on how many processes there are.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        settings: TuneSettings,
        loss: Loss | None,
        average: Average = lambda value: value,
    ) -> None:
        self.forward: nn.Module = student  # what is called; its blocks are looked up in student
        self._student, self._teacher = student, teacher
        self._settings, self._loss, self._average = settings, loss, average
        self._blocks = matching_blocks(student, teacher)

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, a scalar with gradients to the student."""
        s = self._settings
        blocks = self._blocks if s.features else ()
        with torch.no_grad():
            with recorded(self._teacher, blocks) as wanted:
                target = logits_of(call(self._teacher, batch.inputs))
            target = with_views(target, self._teacher, batch.inputs, s.views)
        with recorded(self._student, blocks) as found:
            output = call(self.forward, batch.inputs)

        def average(value: Tensor) -> Tensor:
            return self._average(batch.share * value)

        loss = s.logits * output_loss(logits_of(output), target, s, average)
        if blocks:
            loss = loss + s.features * feature_loss(found, wanted, average)
        if s.task and self._loss is not None:
            loss = loss + s.task * taught(one_number("loss", self._loss, output, batch.raw))
        elif s.task and batch.labels is not None:
            loss = loss + s.task * classification_loss(output, batch.labels, s.class_mode, average)
        return loss


def taught(loss: Any) -> Any:
    """The user's loss, which must depend on the output where gradients are asked for."""
    if torch.is_grad_enabled() and not (isinstance(loss, Tensor) and loss.requires_grad):
        raise bad_value(
            "The loss must have a gradient",
            f"{loss!r:.40}",
            "compute it from the output with tensors all the way, without item() or detach()",
        )
    return loss


def output_loss(output: Tensor, target: Tensor, s: TuneSettings, average: Average) -> Tensor:
    """How far the output is from the original's: as classes, where there are two of them and more,
    or as plain values."""
    mode = s.class_mode
    if mode is None or not -output.ndim <= mode < output.ndim or output.shape[mode] == 1:
        return F.mse_loss(wide(output), wide(target)) / average(mean_square(target))
    return divergence(output, target, s.temperature, mode)


def divergence(output: Tensor, target: Tensor, temperature: float, mode: int) -> Tensor:
    """``T^2 KL(target || output)`` of the softened outputs, averaged over all but their mode."""
    soft = F.log_softmax(wide(output) / temperature, dim=mode)
    goal = F.log_softmax(wide(target) / temperature, dim=mode)
    pointwise = F.kl_div(soft, goal, reduction="none", log_target=True).sum(mode)
    return pointwise.mean() * temperature**2


def classification_loss(output: Any, labels: Any, mode: int | None, average: Average) -> Tensor:
    """Cross-entropy, for integer labels on the given mode; labels of -100 do not count, and where
    none do it is 0. ``average`` makes it a mean over what counts in the whole batch."""
    logits = logits_of(output)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or mode is None:
        raise bad_value(
            "Labels must be integer class indices, on a class_mode,",
            f"{getattr(labels, 'dtype', type(labels).__name__)}, class_mode={mode}",
            "pass loss=... for another task",
        )
    if not -logits.ndim <= mode < logits.ndim or logits.shape[mode] == 1:
        raise bad_value(
            f"Labels need two classes or more along class_mode={mode}",
            f"an output of shape {tuple(logits.shape)}",
            "pass loss=... for another task",
        )
    logits = logits.movedim(mode, 1)
    if labels.shape != (len(logits), *logits.shape[2:]):
        raise bad_value(
            f"Labels must have the output's shape without its class_mode={mode}, "
            f"{(len(logits), *logits.shape[2:])}",
            tuple(labels.shape),
            "name the class mode, or pass loss=... for another task",
        )
    labels = as_classes(labels, logits.shape[1])
    total = F.cross_entropy(wide(logits), labels, reduction="sum")
    counted = average((labels != UNCOUNTED).to(total).mean())  # a share of all labels
    return total / labels.numel() / torch.where(counted > 0, counted, 1)


def feature_loss(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], average: Average
) -> Tensor:
    """Mean over blocks of ``||student - original||^2 / ||original||^2``."""
    pairs = [(found[name], wanted[name]) for name in found if name in wanted]
    pairs = [(mine, goal) for mine, goal in pairs if mine.shape == goal.shape]
    if not pairs:
        return torch.zeros(())
    sizes = average(torch.stack([mean_square(goal) for _, goal in pairs]))
    gaps = torch.stack([mean_gap(mine, goal) for mine, goal in pairs])
    return (gaps / sizes).mean()


def mean_gap(mine: Tensor, goal: Tensor) -> Tensor:
    """Mean squared difference, without the copies to fp32 that autocast would make of bf16."""
    if mine.dtype == torch.float16:  # its squares overflow
        mine = mine.float()
    with torch.autocast(mine.device.type, enabled=False):
        return wide(F.mse_loss(mine, goal.to(mine.dtype)))


def mean_square(goal: Tensor) -> Tensor:
    """Mean square, in fp32 at least and never zero."""
    norm = torch.linalg.vector_norm(goal, dtype=torch.promote_types(goal.dtype, torch.float32))
    return (norm.square() / max(1, goal.numel())).clamp_min(1e-12)


def wide(value: Tensor) -> Tensor:
    """In fp32 at least: sums of half precision lose too much, those of double nothing."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


def matching_blocks(student: nn.Module, teacher: nn.Module) -> tuple[str, ...]:
    """Names of the blocks around replaced layers; a replaced layer of the root is its own."""
    theirs = dict(teacher.named_modules())
    replaced = replaced_layers(student, teacher)
    blocks = {name.rpartition(".")[0] or name for name in replaced}
    return tuple(sorted(name for name in blocks if name in theirs))


def replaced_layers(student: nn.Module, teacher: nn.Module) -> list[str]:
    """Names of the layers that are of another type in the student."""
    theirs = dict(teacher.named_modules())
    return [
        name
        for name, module in student.named_modules()
        if name in theirs and type(module) is not type(theirs[name])
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
