"""CP chains under fine-tuning: gradient norms on 20 seeds, as factored and balanced.

    python -m benchmarks.claims.cp_stability [--seeds 20] [--steps 25]

The embedded network with every layer that can be CP at a fifth of its parameters, and its
training images in a new order a seed. Writes ``cp_stability.json``: the largest gradient
norm before clipping, and whether every weight stayed finite.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.subjects import load_subject
from benchmarks.result_files import write_json
from tenfold.demo.data import Shuffled, read_split
from tenfold.errors import TrainingError
from tenfold.training import TuneSettings, tune

BATCH, RATE = 16, 1e-3
CP = ("cp", "cp-separable")
WAYS = {
    "balanced, clipped (the default)": {},
    "balanced, not clipped": {"clip": 1e9},
    "as factored, clipped": {"balance": False},
    "as factored, not clipped": {"balance": False, "clip": 1e9},
}
QUICK = {"network": "tiny-grey", "budget": "params=0.5", "seeds": 1, "steps": 2}


def run(student: nn.Module, teacher: nn.Module, data: Any, settings: TuneSettings) -> dict:
    """A short run."""
    try:
        tuned = tune(student, teacher, data, settings=settings)
    except TrainingError as error:
        return {"finite": False, "error": str(error)}
    entry = tuned.history[0]
    finite = all(bool(torch.isfinite(p).all()) for p in tuned.model.parameters())
    return {"finite": finite, "gradient": round(entry["gradient"], 3), "loss": entry["loss"]}


def summary_of(runs: Sequence[dict]) -> dict[str, Any]:
    """Gradient norms and losses over the seeds."""
    norms = [run["gradient"] for run in runs if "gradient" in run]
    losses = [run["loss"] for run in runs if "loss" in run]
    return {
        "seeds": len(runs),
        "not_finite": sum(not run["finite"] for run in runs),
        "largest_gradient": max(norms),
        "median_largest": statistics.median(norms),
        "median_loss": round(statistics.median(losses), 4),
        "gradients": norms,
    }


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=("demo", "tiny-grey"), default="demo")
    parser.add_argument("--budget", default="params=0.2")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=25)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    subject = load_subject(arguments.network)
    images, labels = (t[: arguments.steps * BATCH] for t in read_split("train"))
    data, teacher = Shuffled(images, labels, BATCH), subject.model
    plan = tenfold.plan(teacher, subject.example, arguments.budget, metric="frobenius", formats=CP)
    student = tenfold.apply(plan, teacher)
    ways = {}
    for name, changes in WAYS.items():
        settings = TuneSettings(epochs=1, rate=RATE, reestimate=5, **changes)
        seeds = range(arguments.seeds)
        runs = [run(student, teacher, data, replace(settings, seed=seed)) for seed in seeds]
        ways[name] = summary_of(runs)
        print(name, {k: v for k, v in ways[name].items() if k != "gradients"}, flush=True)
    result = {
        "formats": [choice.format for choice in plan.choices],
        "steps": arguments.steps,
        "batch": BATCH,
        "rate": RATE,
        "ways": ways,
    }
    write_json(arguments.results / "cp_stability.json", result)


if __name__ == "__main__":
    main()
