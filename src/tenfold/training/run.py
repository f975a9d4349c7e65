"""A run: epochs of steps, deterministic per epoch, resumable at any step, best weights kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch

from tenfold.data.batches import Batch, read_batch
from tenfold.data.reading import unreadable_at
from tenfold.errors import TrainingError
from tenfold.machine.progress import Progress
from tenfold.network.call import evaluating
from tenfold.training.batchnorm import batchnorms, is_frozen, reestimate
from tenfold.training.objective import Objective
from tenfold.training.score import Score
from tenfold.training.state import RunState, random_state, set_random_state
from tenfold.training.steps import take_step

EPOCH_SEEDS = 1_000_003  # apart lie the random choices of two seeds


class Run:
    """What to descend on, with which batches, and who judges the outcome."""

    def __init__(
        self,
        state: RunState,
        objective: Objective,
        data: Iterable[Any],
        score: Score | None,
        peak: float,
    ) -> None:
        self.state, self.objective, self.data = state, objective, data
        self.score, self.peak = score, peak
        self.settings, self.reached = state.settings, state.reached
        self.device = next(state.student.parameters()).device
        self.steps = state.length * self.settings.epochs

    def train(self, progress: Progress) -> None:
        """All epochs that are left."""
        rng = self.state.resume()
        self.reached = self.state.reached
        if not self.state.best:
            self.start()
        for epoch in range(self.reached.epoch, self.settings.epochs):
            self.train_epoch(epoch, rng if self.reached.step else None, progress)

    def start(self) -> None:
        """Judge the model as it was handed over, and with statistics estimated anew."""
        score, settings = self.validate(None), self.settings
        if math.isnan(score):
            raise TrainingError(
                "The score must be a number, but found NaN before the first step; check quality "
                "and the validation batches."
            )
        self.state.keep_best(score)
        if settings.batchnorm == "train" and settings.reestimate and settings.epochs:
            reestimate(self.state.student, self.data, settings.reestimate, self.device)
            score = self.validate(None)
            if self.reached.improves(score):
                self.state.keep_best(score)

    def train_epoch(self, epoch: int, rng: Any, progress: Progress) -> None:
        """One pass over the data from the step that was reached; then validate and save."""
        for group in self.groups(epoch, rng, progress):
            at = epoch * self.state.length + self.reached.step
            rate = self.settings.rate_at(at, self.steps, self.peak)
            loss, norm = take_step(self.state, self.objective, group, at, rate)
            self.reached.total += loss
            self.reached.largest = max(self.reached.largest, norm if math.isfinite(norm) else 0)
            self.reached.step += 1
            progress("fine-tuning", at + 1, self.steps)
            if self.state.workers.either(self.state.due(), self.device):
                self.state.save()
        self.finish_epoch(epoch)

    def groups(self, epoch: int, rng: Any, progress: Progress) -> Iterator[list[Batch]]:
        """The batches of each step that is left; a loader's error names its step, and all that
        was done before is saved."""
        torch.manual_seed(self.settings.seed * EPOCH_SEEDS + epoch)
        self.set_mode()
        parts = self.state.workers.parts(self.data)
        while self.reached.step < self.state.length:  # no more than the data say they have
            before = random_state()
            try:
                if rng is not None:  # the batches behind us are read again, for the loader's sake
                    skipped = self.reached.step * self.settings.accumulate
                    next(islice(parts, skipped - 1, None), None)
                    set_random_state(rng)
                    before, rng = rng, None
                read = list(islice(parts, self.settings.accumulate))
            except Exception as error:
                self.save_before_failing(before if rng is None else rng)
                at = epoch * self.state.length + self.reached.step
                raise unreadable_at(error, at, self.state.folder is not None) from error
            if not read:
                return
            last = self.settings.channels_last
            yield [read_batch(raw, self.device, share, last) for raw, share in read]

    def save_before_failing(self, rng: Any) -> None:
        """Alone, at this step; with others, who may be elsewhere, the last checkpoint stands."""
        if self.state.workers.here.size == 1:
            self.state.save(rng)

    def finish_epoch(self, epoch: int) -> None:
        """Judge, write down, and begin to count anew."""
        reached = self.reached
        if not reached.step:
            raise TrainingError(
                f"Data must give batches each time they are iterated, but found none in epoch "
                f"{epoch + 1}; pass a DataLoader or a list, not an iterator."
            )
        mean = reached.total / reached.step
        score = self.validate_or_save(mean)
        entry = {"epoch": epoch + 1, "loss": mean, "score": score, "gradient": reached.largest}
        reached.history.append(entry)
        reached.epoch, reached.step, reached.total, reached.largest = epoch + 1, 0, 0.0, 0.0
        if reached.improves(score):
            self.state.keep_best(score)
        self.state.save()

    def set_mode(self) -> None:
        """Training mode, with BatchNorm as the settings say; where it is frozen it stays so."""
        self.objective.forward.train()
        for layer in batchnorms(self.state.student):
            if self.settings.batchnorm == "frozen" or is_frozen(layer):
                layer.eval()

    def validate_or_save(self, mean_loss: float) -> float:
        """``validate``; where that raises, the epoch behind is saved first."""
        rng = random_state()
        try:
            return self.validate(mean_loss)
        except Exception:
            self.save_before_failing(rng)
            raise

    def validate(self, mean_loss: float | None) -> float:
        """Higher is better; without a score the training loss decides."""
        if self.score is None:
            return -math.inf if mean_loss is None else -mean_loss
        student = self.state.student
        with self.state.ema.applied(), evaluating(student), torch.no_grad():
            return self.score(student)
