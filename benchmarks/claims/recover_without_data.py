"""ResNet-20 on CIFAR-10 (the JPEG copy), compressed and then trained on made inputs alone.

    TENFOLD_DATA=folder python -m benchmarks.claims.recover_without_data [--times 3/5]

One public call a budget: ``compress(..., refine="end-to-end", data="synthetic:16384")``; ``plan``
is what was lost before the training, ``lost`` what is lost after it. Settings were chosen on
training images (``--split held`` looks at 10,000 of them); the test images are looked at once.
Inputs are made once for all budgets unless ``TENFOLD_CACHE`` is empty.
Writes ``recover_without_data.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.subjects import Batches, Subject, load_subject
from benchmarks.result_files import read_json, write_json
from tenfold.training.read_settings import read_settings
from tenfold.training.score import accuracy

GOALS = {"3": 1.0, "5": 4.0}  # points lost at most
HELD = 10_000
QUICK = {"network": "tiny", "times": "2", "inputs": 64, "epochs": 1}


def recover(
    subject: Subject, batches: Batches, times: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    """One budget."""
    tuning = tuning_of(arguments)
    began = time.perf_counter()
    result = tenfold.compress(
        subject.model,
        subject.example,
        {"params": 1 / float(times)},
        refine="end-to-end",
        data=f"synthetic:{arguments.inputs}",
        epochs=arguments.epochs,
        tuning={"precision": "auto", "channels_last": True, **tuning},
    )
    seconds = time.perf_counter() - began
    base, goal = accuracy(subject.model, batches), GOALS.get(times)
    lost = round(base - accuracy(result.model, batches), 2)
    return {
        "base": base,
        "plan": round(base - accuracy(result.untuned, batches), 2),
        "lost": lost,
        "goal": goal,
        "kept": None if goal is None else lost <= goal,
        "inputs": arguments.inputs,
        "epochs": arguments.epochs,
        "tuning": tuning,
        "params": int(result.report.after["params"]),
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def tuning_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that differ from the usual ones."""
    rate = {} if arguments.rate is None else {"rate": arguments.rate}
    return {**read_settings(arguments.tuning), **rate}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=("resnet20", "tiny"), default="resnet20")
    parser.add_argument("--times", default="3/5", help="budgets, as 3/5")
    parser.add_argument("--epochs", type=int, default=100, help="of 100 batches")
    parser.add_argument("--inputs", type=int, default=16384)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--split", choices=("test", "held"), default="test")
    parser.add_argument("--rate", type=float, help="by how much was removed, if left out")
    parser.add_argument("--tuning", default="", help="further settings, as views=2")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write after each budget."""
    arguments = arguments_of(argv)
    torch.set_num_threads(arguments.threads)
    subject = load_subject(arguments.network)
    batches = subject.judge(arguments.split, HELD)
    path = arguments.results / "recover_without_data.json"
    for times in arguments.times.split("/"):
        row = recover(subject, batches, times, arguments)
        print(times, row, flush=True)
        if arguments.split == "test":
            write_json(path, {**read_json(path), f"{times}x": row})


if __name__ == "__main__":
    main()
