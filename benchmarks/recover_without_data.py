"""ResNet-20 on CIFAR-10 (the JPEG copy), compressed and then trained on made inputs alone.

    TENFOLD_DATA=folder python benchmarks/recover_without_data.py [--times 3/5] [--epochs 100]

One public call a budget: ``compress(..., refine="end-to-end", data="synthetic:16384")``; ``plan``
is what was lost before the training, ``lost`` what is lost after it. Settings were chosen on
training images (``--split train`` looks at 10,000 of them); the test images are looked at once.
Inputs are made once for all budgets where ``TENFOLD_CACHE`` does not forbid it.
Writes ``results/recover_without_data.json``.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

import cifar
import tenfold
from tenfold.training.read_settings import read_settings
from tenfold.training.score import accuracy
from written import RESULTS, read_json, write_json

GOALS = {"3": 1.0, "5": 4.0}  # points lost at most


def recover(
    times: str, inputs: int, epochs: int, tuning: dict[str, Any], judge: list[Any]
) -> dict[str, Any]:
    """One budget."""
    model = cifar.resnet20()
    began = time.perf_counter()
    result = tenfold.compress(
        model,
        cifar.example(),
        {"params": 1 / float(times)},
        refine="end-to-end",
        data=f"synthetic:{inputs}",
        epochs=epochs,
        tuning={"precision": "auto", "channels_last": True, **tuning},
    )
    seconds = time.perf_counter() - began
    base = accuracy(model, judge)
    goal = GOALS.get(times)
    lost = round(base - accuracy(result.model, judge), 2)
    return {
        "base": base,
        "plan": round(base - accuracy(result.untuned, judge), 2),
        "lost": lost,
        "goal": goal,
        "kept": None if goal is None else lost <= goal,
        "inputs": inputs,
        "epochs": epochs,
        "tuning": tuning,
        "params": int(result.report.after["params"]),
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Run, print, write after each budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", default="3/5", help="budgets, as 3/5")
    parser.add_argument("--epochs", type=int, default=100, help="of 100 batches")
    parser.add_argument("--inputs", type=int, default=16384)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--split", choices=("test", "train"), default="test")
    parser.add_argument("--rate", type=float, help="by how much was removed, if not given")
    parser.add_argument("--tuning", default="", help="further settings, as views=2")
    arguments = parser.parse_args()
    tuning = read_settings(arguments.tuning)
    if arguments.rate is not None:
        tuning["rate"] = arguments.rate
    torch.set_num_threads(arguments.threads)
    judge = cifar.shown(arguments.split, 10_000)
    out = RESULTS / "recover_without_data.json"
    found = read_json(out)
    for times in arguments.times.split("/"):
        row = recover(times, arguments.inputs, arguments.epochs, tuning, judge)
        print(times, row, flush=True)
        if arguments.split == "test":
            found[f"{times}x"] = row
            write_json(out, found)


if __name__ == "__main__":
    main()
