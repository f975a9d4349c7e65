"""Whether arithmetic or knowledge limits the recovered ResNet-20s: two things to look at.

    TENFOLD_DATA=folder python -m research.recovery.what_is_learned --threads 1

How often the original and the saved networks are right on their training images and on others; and
how far gradients in bf16, as recover.py has them on a CPU, point where those in fp32 do. Writes
``what_is_learned.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.networks import cifar, resnet
from benchmarks.result_files import write_json
from research.recovery.choose_recovery import HOT
from research.recovery.folders import RESULTS
from research.recovery.judged import judged
from research.recovery.recover_setup import test_images, training_images
from tenfold.data.batches import read_batch
from tenfold.formats.chains import balance_all
from tenfold.machine.precision import autocast
from tenfold.training.objective import Objective
from tenfold.training.slow_kernels import sparing_slow_kernels

TIMES = ("3.57", "4.46", "5.2")
CPU = torch.device("cpu")


def gradients(objective: Objective, student: nn.Module, batch: Any, precision: str) -> list[Tensor]:
    """Of one batch, a tensor a weight."""
    student.zero_grad()
    with autocast(precision, CPU):
        loss = objective(read_batch(batch, CPU, channels_last=True))
    loss.backward()  # type: ignore[no-untyped-call]
    return [p.grad.flatten().clone() for p in student.parameters() if p.grad is not None]


def agreement(original: nn.Module, student: nn.Module) -> dict[str, float]:
    """Cosine of the gradients in bf16 and in fp32, over all weights and in the worst of them."""
    torch.manual_seed(0)
    batch = next(iter(training_images("half-patched", "cpu")))
    balance_all(student)
    student.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    objective = Objective(student, original, HOT, None)
    with sparing_slow_kernels(student):
        half, single = (gradients(objective, student, batch, p) for p in ("bf16", "fp32"))
    cosines = [float(torch.cosine_similarity(a, b, 0)) for a, b in zip(half, single)]
    whole = float(torch.cosine_similarity(torch.cat(half), torch.cat(single), 0))
    return {"all": round(whole, 4), "worst": round(min(cosines), 4)}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Look, print, write."""
    torch.set_num_threads(arguments_of(argv).threads)
    raw, original = cifar.read_cifar(), resnet.resnet20()
    seen = cifar.batches(raw["train_x"][::5], raw["train_y"][::5])  # as many as there are others

    def both(model: nn.Module) -> dict[str, float]:
        return {"training": judged(model, seen), "test": judged(model, test_images())}

    found: dict[str, Any] = {"original": both(original)}
    for times in TIMES:
        model = tenfold.load(RESULTS / f"resnet20_{times}x", original)
        found[f"{times}x"] = {**both(model), "bf16_gradients": agreement(original, model)}
    print(json.dumps(found, indent=1))
    write_json(RESULTS / "what_is_learned.json", {**found, "torch": torch.__version__})


if __name__ == "__main__":
    main()
