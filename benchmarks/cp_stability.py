"""CP chains under fine-tuning: gradient norms on 20 seeds, as factored and balanced.

    python benchmarks/cp_stability.py [--seeds 20] [--steps 25]

The embedded network with every layer that can be CP at a fifth of its parameters, and its
training images in a new order a seed. Writes ``results/cp_stability.json``: the largest gradient
norm before clipping, and whether every weight stayed finite.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from typing import Any

import torch
from torch import nn

import tenfold
from tenfold.demo.data import Shuffled, read_split
from tenfold.demo.network import example, load_network
from tenfold.errors import TrainingError
from tenfold.training import TuneSettings, tune
from written import RESULTS, write_json

BATCH = 16
WAYS = {
    "balanced, clipped (the default)": {},
    "balanced, not clipped": {"clip": 1e9},
    "as factored, clipped": {"balance": False},
    "as factored, not clipped": {"balance": False, "clip": 1e9},
}


def one(student: nn.Module, teacher: nn.Module, data: Any, settings: TuneSettings) -> dict:
    """A short run."""
    try:
        tuned = tune(student, teacher, data, settings=settings)
    except TrainingError as error:
        return {"finite": False, "error": str(error)}
    entry = tuned.history[0]
    finite = all(bool(torch.isfinite(p).all()) for p in tuned.model.parameters())
    return {"finite": finite, "gradient": round(entry["gradient"], 3), "loss": entry["loss"]}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=25)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    teacher = load_network()
    images, labels = (t[: arguments.steps * BATCH] for t in read_split("train"))
    data = Shuffled(images, labels, BATCH)
    plan = tenfold.plan(
        teacher, example(), "params=0.2", metric="frobenius", formats=["cp", "cp-separable"]
    )
    student = tenfold.apply(plan, teacher)
    found: dict[str, Any] = {
        "formats": [choice.format for choice in plan.choices],
        "steps": arguments.steps,
        "batch": BATCH,
        "rate": 1e-3,
        "ways": {},
    }
    for name, changes in WAYS.items():
        usual = TuneSettings(epochs=1, rate=1e-3, reestimate=5, **changes)
        runs = [
            one(student, teacher, data, replace(usual, seed=seed))
            for seed in range(arguments.seeds)
        ]
        norms = [run["gradient"] for run in runs if "gradient" in run]
        found["ways"][name] = {
            "seeds": len(runs),
            "not_finite": sum(not run["finite"] for run in runs),
            "largest_gradient": max(norms),
            "median_largest": statistics.median(norms),
            "median_loss": round(statistics.median(r["loss"] for r in runs if "loss" in r), 4),
            "gradients": norms,
        }
        print(name, {k: v for k, v in found["ways"][name].items() if k != "gradients"}, flush=True)
    write_json(RESULTS / "cp_stability.json", found)


if __name__ == "__main__":
    main()
