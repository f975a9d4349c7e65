"""VGG-16 on CIFAR-10 (the JPEG copy) at 20x fewer parameters, fine-tuned on its training images.

    TENFOLD_DATA=folder python -m benchmarks.claims.train_cifar_network --network vgg16 --epochs 8
    TENFOLD_DATA=folder python -m benchmarks.claims.vgg16 --threads 1    # 52 minutes

One public call, ``tenfold.compress``, on all 50,000 training images, cropped and mirrored by
chance. The epoch of least training loss is kept; the 10,000 test images are looked at once, to
report. An interrupted run goes on where it stopped when the same command is run again.
Writes ``recover_vgg16.json`` and, where it is missing, the saved model ``vgg16_20x/``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks import cifar, tiny
from benchmarks.networks.augmented import BATCH, Augmented
from benchmarks.networks.subjects import Subject, load_subject
from benchmarks.result_files import write_json
from tenfold.training.score import accuracy

GOAL = 0.0  # points of accuracy against the original
IMAGES = {"vgg16": cifar.read_cifar, "tiny": tiny.read_images}
TUNING = {"features": 0.0, "precision": "auto", "channels_last": True, "every": 120.0}
QUICK = {"network": "tiny", "times": "2", "epochs": 1, "batch": 16}


def compress(subject: Subject, arguments: argparse.Namespace) -> tenfold.Result:
    """Plan, build and fine-tune."""
    images = IMAGES[arguments.network]()
    data = Augmented.of(images["train_x"], images["train_y"], batch=arguments.batch)
    return tenfold.compress(
        subject.model,
        subject.example,
        {"params": 1 / float(arguments.times)},
        data=data,
        epochs=arguments.epochs,
        tuning=TUNING,
        checkpoint=arguments.results / f"recover_{arguments.network}.work",
    )


def row_of(subject: Subject, result: tenfold.Result, times: str, seconds: float) -> dict[str, Any]:
    """Accuracies in per cent before, by the plan alone, and after; costs and losses."""
    batches, report = subject.judge("test", 0), result.report
    before, after = accuracy(subject.model, batches), accuracy(result.model, batches)
    return {
        "times": times,
        "seed": 0,
        "epochs": len(report.history),
        "before": before,
        "plan_only": accuracy(result.untuned, batches),
        "after": after,
        "change": round(after - before, 2),
        "goal": GOAL,
        "kept": after - before >= GOAL,
        "params": report.after["params"],
        "macs": report.after["macs"],
        "removed": {
            cost: round(1 - report.after[cost] / report.before[cost], 4)
            for cost in ("params", "macs")
        },
        "seconds_last_process": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "history": list(report.history),
    }


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=tuple(IMAGES), default="vgg16")
    parser.add_argument("--times", default="20", help="fewer parameters")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Compress, judge, print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(arguments.threads)
    subject = load_subject(arguments.network)
    began = time.perf_counter()
    result = compress(subject, arguments)
    row = row_of(subject, result, arguments.times, time.perf_counter() - began)
    print({name: value for name, value in row.items() if name != "history"})
    path = arguments.results / f"recover_{arguments.network}.json"
    write_json(path, {"runs": [row], "torch": torch.__version__})
    folder = arguments.results / f"{arguments.network}_{arguments.times}x"
    if not folder.exists():
        tenfold.save(result, folder)


if __name__ == "__main__":
    main()
