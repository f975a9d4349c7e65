"""Fine-tuning by distillation, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.augment import Blends
from tenfold.data.batches import count_batches
from tenfold.errors import bad_value
from tenfold.formats.chains import balance_all
from tenfold.machine.precision import scaler
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress, silent
from tenfold.network.copying import copy_of
from tenfold.network.guest import hosting, widened
from tenfold.network.identity import digest
from tenfold.training.checkpoint import holding_lock
from tenfold.training.ema import Ema
from tenfold.training.losses import UserLoss
from tenfold.training.objective import Objective
from tenfold.training.replaced import groups, let_learn
from tenfold.training.run import Run
from tenfold.training.score import Quality, Score, default_score
from tenfold.training.settings import GENTLE, TuneSettings
from tenfold.training.shards import load_state
from tenfold.training.slow_kernels import sparing_slow_kernels
from tenfold.training.state import RunState
from tenfold.training.workers import open_workers


@dataclass(frozen=True)
class Tuned:
    """The best weights, the epoch they come from (0: before training), one entry an epoch."""

    model: nn.Module
    best_epoch: int
    history: tuple[dict[str, Any], ...]


def tune(
    model: nn.Module,
    teacher: nn.Module,
    data: Iterable[Any] | Tensor,
    *,
    settings: TuneSettings | None = None,
    loss: UserLoss | None = None,
    validation: Iterable[Any] | None = None,
    quality: Quality | None = None,
    score: Score | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = silent,
) -> Tuned:
    """Fine-tune a compressed model by distillation from the original; neither is changed. Weights
    of half precision are trained in fp32 and come back as they were. Factors learn also where the
    layer they replace was frozen, and all of a network that is frozen as a whole.

    Started by ``accelerate launch`` or ``torchrun``, every process calls this with the same
    arguments; each batch is split among them, and all return the same weights.

    Args:
        data: iterable once an epoch; batches are ``(inputs, labels)``, inputs alone (then only
            the original teaches), or mappings with ``labels``; or few inputs in one tensor, from
            which gentle settings learn by default. Random choices of its own must come from
            torch's random state, which is set anew for each epoch.
        loss: ``loss(output, batch)``, a mean over the batch; cross-entropy on integer labels by
            default.
        validation: batches on which the best epoch is chosen: by ``quality`` if there is one, by
            accuracy where they have labels and no ``loss`` is given, else by the loss. Without
            it the training loss is.
        quality: ``quality(output, batch)``, a mean over the batch, higher is better.
        score: ``score(model)``, higher is better; replaces the ones above.
        checkpoint: a directory; a run found there is resumed at the step it had reached.

    Returns:
        A new model in evaluation mode with the best weights.

    Raises:
        TrainingError: the loss is not finite (names step and layer), the data raise (names the
            step, once there is one), or a checkpoint cannot be written; the best weights so far
            stay on disk.
        InputError: no data, or a checkpoint of another run or in use by another process.
    """
    if isinstance(data, Tensor):
        data, settings = Blends(data), settings or GENTLE
    settings, workers = settings or TuneSettings(), open_workers()
    check_used(settings, loss, validation, quality)
    with hosting(model, seed=settings.seed):
        device = workers.device(next(model.parameters()).device)
        student = laid_out(widened(copy_of(model)), device, settings.channels_last)
        original = laid_out(widened(copy_of(teacher)), device, settings.channels_last)
        if settings.balance and settings.epochs:
            balance_all(student)
        let_learn(student, original)
        objective = Objective(
            student, original.eval().requires_grad_(False), settings, loss, workers.average
        )
        optimiser = torch.optim.AdamW(groups(student, settings.weight_decay))
        objective.forward, optimiser = workers.prepare(student, optimiser)
        folder = Path(checkpoint) if checkpoint else None
        with sparing_slow_kernels(student), holding_lock(folder):
            state = RunState(
                student,
                optimiser,
                Ema(student, settings.ema),
                scaler(settings.precision, device),
                workers,
                settings,
                -(-count_batches(data) // settings.accumulate),
                folder,
                facts_of(teacher, loss, quality) if folder else {},
            )
            judge = score or default_score(
                validation,
                objective,
                classifies=loss is None,
                class_mode=settings.class_mode,
                quality=quality,
                workers=workers,
            )
            peak = settings.peak_rate(size(teacher), size(model))
            Run(state, objective, data, judge, peak).train(progress)
        best = copy_of(model)
        load_state(best, on_first_process(lambda: state.best))
        return Tuned(best.eval(), state.reached.best_epoch, tuple(state.reached.history))


def check_used(
    settings: TuneSettings,
    loss: UserLoss | None,
    validation: Iterable[Any] | None,
    quality: Quality | None,
) -> None:
    """A function that nobody would call is a mistake."""
    if loss is not None and not settings.task:
        raise bad_value("A loss needs a weight", "task=0", "set task, or leave the loss out")
    if quality is not None and validation is None:
        raise bad_value("A quality needs batches to judge", "no validation", "pass validation=...")


def laid_out(model: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    """On the device, and its kernels with the channels innermost where asked."""
    model.to(device)
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def facts_of(teacher: nn.Module, loss: UserLoss | None, quality: Quality | None) -> dict[str, Any]:
    """What a run is besides its settings, in words that fit a checkpoint."""
    functions = {"loss": loss, "quality": quality}
    names = {
        what: f and getattr(f, "__qualname__", type(f).__name__) for what, f in functions.items()
    }
    return {"original": digest((), teacher)[:8], **names}


def size(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in model.parameters())
