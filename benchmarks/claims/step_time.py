"""How long a step of fine-tuning takes on one thread of a CPU, with and without what shortens it.

    python -m benchmarks.claims.step_time

ResNet-20 at 5.2x (the saved model) taught by a ResNet-20 of random weights on noise: only time
matters here. The variants take turns; numbers are CPU seconds a step of 128 images, the least of
all turns. Writes ``step_time.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.augmented import BATCH
from benchmarks.networks.resnet import ResNet
from benchmarks.result_files import write_json
from tenfold.training import TuneSettings, tune

SAVED = Path(__file__).parents[2] / "research" / "recovery" / "results" / "resnet20_5.2x"
SPARING, KEEPING = "training.loop.sparing_slow_kernels", "network.guest.keeping_memory"
LEFT_OUT = {
    "neither": (SPARING, KEEPING),
    "fp32 for slow bf16 kernels": (KEEPING,),
    "freed memory kept": (SPARING,),
    "both": (),
}
SETTINGS = TuneSettings(
    epochs=1, features=0.0, task=0.0, reestimate=0, precision="auto", channels_last=True
)
QUICK = {"turns": 1, "steps": 1, "batch": 4}


def seconds_a_step(
    student: nn.Module, teacher: nn.Module, left_out: tuple[str, ...], steps: int, batch: int
) -> float:
    """CPU seconds of this process; each step bears its share of the set-up."""
    data = [torch.randn(batch, 3, 32, 32) for _ in range(steps)]
    with ExitStack() as stack:
        for name in left_out:
            stack.enter_context(mock.patch(f"tenfold.{name}", nothing))
        began = time.process_time()
        tune(student, teacher, data, settings=SETTINGS)
        return (time.process_time() - began) / steps


def nothing(*_: Any) -> AbstractContextManager[None]:
    """In place of a context that would change something."""
    return nullcontext()


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--steps", type=int, default=15, help="a turn")
    parser.add_argument("--batch", type=int, default=BATCH)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Take turns, print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    teacher, student = ResNet(), tenfold.load(SAVED, ResNet)
    seconds: dict[str, list[float]] = {name: [] for name in LEFT_OUT}
    for _ in range(arguments.turns):
        for name, left_out in LEFT_OUT.items():
            spent = seconds_a_step(student, teacher, left_out, arguments.steps, arguments.batch)
            seconds[name].append(spent)
    least = {name: round(min(times), 4) for name, times in seconds.items()}
    result = {
        "seconds": least,
        "ratio": round(least["neither"] / least["both"], 3),
        "torch": torch.__version__,
    }
    print(json.dumps(result, indent=1))
    write_json(arguments.results / "step_time.json", result)


if __name__ == "__main__":
    main()
