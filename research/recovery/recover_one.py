"""One recovery run by ``tenfold.tune``; interrupted, it goes on where it stopped."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.networks.weights import write_weights
from benchmarks.result_files import write_json
from research.recovery.judged import judged
from research.recovery.recover_earlier import BEGUN, PLAN, draw_of, name_of, work_folder
from research.recovery.recover_past import past_of, plan_of, start_of, weights_of
from research.recovery.recover_results import NETWORKS, keep, scored_by_loss
from research.recovery.recover_setup import (
    begun,
    factored_for,
    settings_for,
    test_images,
    told,
    training_images,
)
from research.recovery.teachers import teacher_of
from tenfold.store.folder import write_plan
from tenfold.training import tune
from tenfold.training.checkpoint import BEST, FILE


def recover(arguments: argparse.Namespace, times: str, seed: int) -> None:
    """One run, and its line in a file of its own."""
    network = arguments.network
    past = past_of(arguments, times, seed)
    run = begun(arguments, times, seed, past)
    target = work_folder(network, times) / name_of(run)
    if (target / "row.json").exists():
        return
    device = torch.device(arguments.device)
    original = NETWORKS[network]()
    plan = plan_of(arguments, times, past, original)
    factored = start_of(arguments, times, past, original).to(device)
    alone = factored_for(network, times, original).to(device)
    original = original.to(device)
    teacher = teacher_of(arguments.teacher, original).to(device)
    if not (target / BEGUN).exists():  # else this goes on with an interrupted run
        (target / PLAN).unlink(missing_ok=True)
        write_plan(plan, target / PLAN)
        write_json(target / BEGUN, run)
    settings = settings_for(arguments, draw_of(seed, past))
    clock = Stopwatch(target / "seconds.json", past["seconds"] if past else 0.0)
    tuned = tune(
        factored,
        teacher,
        training_images(arguments.images, arguments.device),
        settings=settings,
        score=latest(),
        checkpoint=target,
        progress=clock,
    )
    model = tuned.model
    row = {
        **run,
        "device": told(device),
        "before": judged(original, test_images()),
        "plan_only": judged(alone, test_images()),
        "start": judged(factored, test_images()),
        "after": judged(model, test_images()),
        "seconds": round(clock.seconds, 1),
        "threads": torch.get_num_threads(),
        "rate": arguments.rate,
        "features": arguments.features,
        "tuning": arguments.tuning,
        "history": [*run["history"], *scored_by_loss(tuned.history)],
    }
    row["change"] = round(row["after"] - row["before"], 2)
    row |= keep(
        original.cpu(),
        model.cpu(),
        plan,
        network,
        times,
        seed,
        row["history"],
        anyway=arguments.keep,
    )
    write_weights(weights_of(network, run), model)
    write_json(target / "row.json", row)
    (target / FILE).unlink()
    (target / BEST).unlink()


def latest() -> Any:
    """A score that rises: the last epoch of a cosine is kept, no image chooses among epochs."""
    count = iter(range(1_000_000))
    return lambda _: float(time.time_ns() // 1_000_000 + next(count))


class Stopwatch:
    """Prints the time left, and adds up seconds over interruptions."""

    def __init__(self, path: Path, before: float) -> None:
        self.path, self.began = path, time.monotonic()
        self.before = json.loads(path.read_text()) if path.exists() else before
        self.first: int | None = None

    @property
    def seconds(self) -> float:
        """Of all parts of the run."""
        return self.before + time.monotonic() - self.began

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.first = done if self.first is None else self.first
        if done % 50:
            return
        write_json(self.path, self.seconds)
        pace = (time.monotonic() - self.began) / max(1, done - self.first + 1)
        told = f"{stage} {done}/{total}, {pace * (total - done) / 60:.1f} min left"
        print(f"{self.path.parent.name}: {told}", flush=True)
