"""Where a run is: everything that a checkpoint holds, saved and taken up."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.machine.processes import on_first_process
from tenfold.machine.tensors import pick, under
from tenfold.training.checkpoint import BEST, FILE, check_same_run, read_state, write_state
from tenfold.training.ema import Ema
from tenfold.training.settings import TuneSettings
from tenfold.training.shards import load_optimiser, load_state, optimiser_tensors, whole_state
from tenfold.training.workers import OneProcess


@dataclass
class Position:
    """How far a run is, and the best it has seen. ``step`` counts within the epoch."""

    epoch: int = 0
    step: int = 0
    total: float = 0.0  # of the epoch's losses so far
    largest: float = 0.0  # gradient norm of the epoch so far, before clipping
    best_epoch: int = 0
    best_score: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def improves(self, score: float) -> bool:
        """Whether a score is better than all before; NaN never is."""
        return math.isfinite(score) and (self.best_score is None or score > self.best_score)


@dataclass
class RunState:
    """The parts of a run that change, and the directory they are kept in."""

    student: nn.Module
    optimiser: torch.optim.Optimizer
    ema: Ema
    scaler: torch.amp.GradScaler
    workers: OneProcess
    settings: TuneSettings
    length: int
    folder: Path | None
    facts: Mapping[str, Any] = field(default_factory=dict)  # which run it is, besides its settings
    reached: Position = field(default_factory=Position)
    best: dict[str, Tensor] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)

    def keep_best(self, score: float) -> None:
        """Remember, and write down, the weights as the best."""
        with self.ema.applied():
            self.best = whole_state(self.student)
        self.reached.best_epoch = self.reached.epoch
        self.reached.best_score = score if math.isfinite(score) else None
        facts = {"epoch": self.reached.epoch, "score": self.reached.best_score}
        self._write(BEST, self.best, facts)

    def due(self) -> bool:
        """Whether the last checkpoint is long ago."""
        return self.folder is not None and time.monotonic() - self.saved_at > self.settings.every

    def save(self, rng: Mapping[str, Tensor] | None = None) -> None:
        """All state in one file; ``rng`` is the random state to go on with, by default now's."""
        if self.folder is None:
            return
        tensors = {
            **under("student.", whole_state(self.student)),
            **under("best.", self.best),
            **under("optimiser.", optimiser_tensors(self.optimiser)),
            **under("ema.", self.ema.state()),
            **under("rng.", self._all(rng or random_state())),
        }
        facts = {
            **self._identity(),
            "reached": asdict(self.reached),
            "ema_step": self.ema.step,
            "scaler": self.scaler.state_dict(),
        }
        self._write(FILE, tensors, facts)
        self.saved_at = time.monotonic()

    def resume(self) -> dict[str, Tensor] | None:
        """Take up a run found on disk; returns the random state to go on with, if any."""
        folder = self.folder
        checkpoint = on_first_process(lambda: read_state(folder / FILE)) if folder else None
        if checkpoint is None:
            return None
        tensors, facts = checkpoint
        try:
            check_same_run(facts, self._identity(), folder)
            self._take_up(tensors, facts)
        except (RuntimeError, KeyError, TypeError, IndexError) as error:
            raise bad_value(
                "A checkpoint must fit the model",
                f"one of another structure ({error!r:.80})",
                f"delete {folder} to start over",
            ) from error
        rank = self.workers.here.rank
        return {name: states[rank].cpu() for name, states in pick(tensors, "rng.").items()}

    def _take_up(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        load_state(self.student, pick(tensors, "student."))
        load_optimiser(self.optimiser, pick(tensors, "optimiser."))
        self.ema.load(pick(tensors, "ema."), facts["ema_step"])
        if facts["scaler"]:
            self.scaler.load_state_dict(facts["scaler"])
        self.best, self.reached = pick(tensors, "best."), Position(**facts["reached"])

    def _identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the one it goes on with."""
        processes = self.workers.here.size
        return {
            **asdict(self.settings),
            "length": self.length,
            "processes": processes,
            **self.facts,
        }

    def _all(self, rng: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The random states of all processes."""
        device = next(self.student.parameters()).device
        return {name: self.workers.collect(state.to(device)) for name, state in rng.items()}

    def _write(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """By the first process; if it fails, all stop."""
        folder = self.folder
        if folder is not None:
            on_first_process(lambda: write_state(folder / name, tensors, facts))


def random_state() -> dict[str, Tensor]:
    """Torch's random state, here and on the current accelerator."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: Mapping[str, Tensor]) -> None:
    """Put it back."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
