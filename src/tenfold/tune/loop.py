"""The training loop: deterministic per epoch, resumable at any step, best weights kept."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import TrainingError, bad_value
from tenfold.forward import evaluating, frozen_rng, run
from tenfold.progress import Progress, silent
from tenfold.tune.batches import Batch, count_batches, read_batch
from tenfold.tune.batchnorm import batchnorms, reestimate
from tenfold.tune.checkpoint import (
    BEST,
    FILE,
    load_optimiser,
    optimiser_tensors,
    pick,
    read_state,
    write_state,
)
from tenfold.tune.distill import Loss, Objective, recorded
from tenfold.tune.precision import autocast
from tenfold.tune.score import Score, default_score
from tenfold.tune.settings import TuneSettings


@dataclass(frozen=True)
class Tuned:
    """The best weights, the epoch they come from (0: before training), one entry an epoch."""

    model: nn.Module
    best_epoch: int
    history: tuple[dict[str, Any], ...]


def tune(
    model: nn.Module,
    teacher: nn.Module,
    data: Iterable[Any],
    *,
    settings: TuneSettings | None = None,
    loss: Loss | None = None,
    validation: Iterable[Any] | None = None,
    score: Callable[[nn.Module], float] | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Tuned:
    """Fine-tune a compressed model by distillation from the original; neither is changed.

    Args:
        data: iterable once an epoch; batches are ``(inputs, labels)``, inputs alone (then only
            the original teaches), or mappings with ``labels``.
        loss: ``loss(output, batch)``; cross-entropy on integer labels by default.
        validation: batches on which the best epoch is chosen: by accuracy where they have
            labels and no ``loss`` is given, else by the loss. Without it the training loss is.
        score: ``score(model)``, higher is better; replaces the one above.
        checkpoint: a directory; a run found there is resumed at the step it had reached.

    Returns:
        A new model in evaluation mode with the best weights.

    Raises:
        TrainingError: the loss is not finite (names step and layer), or a checkpoint cannot be
            written; the best weights so far stay on disk.
        InputError: no data, or a checkpoint of another run.
    """
    settings = settings or TuneSettings()
    student, original = copy.deepcopy(model), copy.deepcopy(teacher).eval().requires_grad_(False)
    with frozen_rng(settings.seed):
        objective = Objective(student, original, settings, loss)
        going = _Run(student, objective, data, settings, checkpoint)
        going.peak = settings.peak_rate(_size(teacher), _size(model))
        going.score = score or default_score(validation, objective, loss is None)
        going.train(progress)
    student.load_state_dict(going.best)
    return Tuned(student.eval(), going.best_epoch, tuple(going.history))


def _size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


class _Run:
    """The moving parts of one run, all of which a checkpoint holds."""

    def __init__(
        self, student: nn.Module, objective: Objective, data: Iterable[Any],
        settings: TuneSettings, checkpoint: Path | None,
    ) -> None:  # fmt: skip
        self.student, self.objective, self.data = student, objective, data
        self.settings, self.folder = settings, checkpoint
        self.device = next(student.parameters()).device
        self.length = count_batches(data)
        self.optimiser = torch.optim.AdamW(groups(student, settings.weight_decay))
        self.peak = 0.0
        self.score: Score | None = None
        self.epoch, self.step, self.total = 0, 0, 0.0
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_score = 0, -math.inf
        self.history: list[dict[str, Any]] = []
        self.saved_at = time.monotonic()

    def train(self, progress: Progress) -> None:
        """All epochs that are left."""
        rng = self.resume()
        if not self.best:
            if self.settings.batchnorm == "train":
                reestimate(self.student, self.data, self.settings.reestimate, self.device)
            self.keep_if_best(self.validate(None))
        try:
            for epoch in range(self.epoch, self.settings.epochs):
                self.train_epoch(epoch, rng, progress)
                rng = None
        except KeyboardInterrupt:
            self.save()
            raise

    def train_epoch(self, epoch: int, rng: Tensor | None, progress: Progress) -> None:
        """One pass over the data from the step that was reached; then validate and save."""
        torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
        self.set_mode()
        batches = iter(self.data)
        for _ in range(self.step):
            next(batches)
        if rng is not None:
            torch.set_rng_state(rng)
        steps = self.settings.epochs * self.length
        for raw in batches:
            at = epoch * self.length + self.step
            self.total += self.update(read_batch(raw, self.device), at, steps)
            self.step += 1
            progress("fine-tuning", at + 1, steps)
            if self.folder and time.monotonic() - self.saved_at > self.settings.every:
                self.save()
        mean = self.total / max(1, self.step)
        score = self.validate(mean)
        self.history.append({"epoch": epoch + 1, "loss": mean, "score": score})
        self.epoch, self.step, self.total = epoch + 1, 0, 0.0
        self.keep_if_best(score)
        self.save()

    def update(self, batch: Batch, at: int, steps: int) -> float:
        """One optimiser step; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate_at(at, steps, self.peak)
        with autocast(self.settings.precision, self.device):
            loss = self.objective(batch)
        if not bool(torch.isfinite(loss)):
            raise diverged(self.student, batch, at, "loss")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.clip)
        if not bool(torch.isfinite(norm)):
            raise diverged(self.student, batch, at, "gradient")
        self.optimiser.step()
        return float(loss.detach())

    def set_mode(self) -> None:
        """Training mode, with BatchNorm as the settings say."""
        self.student.train()
        if self.settings.batchnorm == "frozen":
            for layer in batchnorms(self.student):
                layer.eval()

    def validate(self, mean_loss: float | None) -> float:
        """Higher is better; without a score the training loss decides."""
        if self.score is None:
            return -math.inf if mean_loss is None else -mean_loss
        with evaluating(self.student), torch.no_grad():
            return self.score(self.student)

    def keep_if_best(self, score: float) -> None:
        """Remember, and write down, the best weights."""
        if self.best and not score > self.best_score:
            return
        self.best = {k: v.detach().clone() for k, v in self.student.state_dict().items()}
        self.best_epoch, self.best_score = self.epoch, score
        if self.folder:
            write_state(self.folder / BEST, self.best, {"epoch": self.epoch, "score": _json(score)})

    def save(self) -> None:
        """All state in one file."""
        if not self.folder:
            return
        tensors = {
            **{f"student.{k}": v for k, v in self.student.state_dict().items()},
            **{f"best.{k}": v for k, v in self.best.items()},
            **optimiser_tensors(self.optimiser),
            "rng": torch.get_rng_state(),
        }
        facts = {
            "settings": asdict(self.settings), "length": self.length, "epoch": self.epoch,
            "step": self.step, "total": self.total, "best_epoch": self.best_epoch,
            "best_score": _json(self.best_score), "history": self.history,
        }  # fmt: skip
        write_state(self.folder / FILE, tensors, facts)
        self.saved_at = time.monotonic()

    def resume(self) -> Tensor | None:
        """Take up a run found on disk; returns the random state to go on with, if any."""
        found = read_state(self.folder / FILE) if self.folder else None
        if found is None:
            return None
        tensors, facts = found
        check_same_run(facts, self.settings, self.length)
        try:
            self.student.load_state_dict(pick(tensors, "student."))
        except RuntimeError as error:
            raise bad_value(
                "A checkpoint must fit the model", "one of another structure",
                "use another checkpoint directory",
            ) from error  # fmt: skip
        load_optimiser(self.optimiser, tensors)
        self.best, self.best_epoch = pick(tensors, "best."), facts["best_epoch"]
        self.best_score = -math.inf if facts["best_score"] is None else facts["best_score"]
        self.epoch, self.step = facts["epoch"], facts["step"]
        self.total, self.history = facts["total"], facts["history"]
        return tensors["rng"] if self.step else None


def groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and BatchNorm parameters do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def check_same_run(facts: dict[str, Any], settings: TuneSettings, length: int) -> None:
    """A checkpoint goes on with the settings it began with."""
    now = {**asdict(settings), "length": length}
    then = {**facts["settings"], "length": facts["length"]}
    for key, value in now.items():
        if then.get(key) != value and key != "every":
            raise bad_value(
                f"A resumed run must keep its {key}", f"{value!r} instead of {then.get(key)!r}",
                "use the old value or another checkpoint directory",
            )  # fmt: skip


def diverged(model: nn.Module, batch: Batch, step: int, what: str) -> TrainingError:
    """The error that names the step and the first layer whose output is not finite."""
    first = first_bad_layer(model, batch)
    return TrainingError(
        f"The {what} must stay finite, but found NaN or infinity at step {step + 1} in {first}; "
        "lower the rate or the clip, or check this batch (the best weights are kept)."
    )


def first_bad_layer(model: nn.Module, batch: Batch) -> str:
    """Name of the first layer that turns out NaN or infinity on a batch."""
    leaves = tuple(n for n, m in model.named_modules() if n and not list(m.children()))
    with recorded(model, leaves) as seen:
        run(model, batch.inputs)
    bad = (name for name, value in seen.items() if not bool(torch.isfinite(value).all()))
    return next(bad, "the loss itself")


def _json(score: float) -> float | None:
    """JSON has no infinity."""
    return score if math.isfinite(score) else None
