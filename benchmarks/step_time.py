"""How long a step of fine-tuning takes on one thread of a CPU, with and without what shortens it.

    python benchmarks/step_time.py

ResNet-20 at 5.2x (the saved model) taught by a ResNet-20 of random weights on noise: only time is
looked at. The variants take turns; numbers are CPU seconds a step of 128 images, the least of all
turns. Writes ``results/step_time.json``.
"""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import nn

import cifar
import tenfold
from augmented import BATCH
from tenfold.training import TuneSettings, tune
from written import RESULTS, write_json

TURNS, STEPS = 4, 15
LEFT_OUT = {  # names in the training loop
    "neither": ("sparing_slow_kernels", "keeping_memory"),
    "fp32 for slow bf16 kernels": ("keeping_memory",),
    "freed memory kept": ("sparing_slow_kernels",),
    "both": (),
}
SETTINGS = TuneSettings(
    epochs=1, features=0.0, task=0.0, reestimate=0, precision="auto", channels_last=True
)


def seconds_a_step(student: nn.Module, teacher: nn.Module, left_out: tuple[str, ...]) -> float:
    """CPU seconds of this process, with the set-up of the run shared out."""
    data = [torch.randn(BATCH, 3, 32, 32) for _ in range(STEPS)]
    with ExitStack() as stack:
        for name in left_out:
            stack.enter_context(mock.patch(f"tenfold.training.loop.{name}", nothing))
        began = time.process_time()
        tune(student, teacher, data, settings=SETTINGS)
        return (time.process_time() - began) / STEPS


def nothing(*_: Any) -> AbstractContextManager[None]:
    """In place of a context that would change something."""
    return nullcontext()


def main() -> None:
    """Take turns, print, write."""
    torch.set_num_threads(1)
    teacher = cifar.ResNet()
    student = tenfold.load(RESULTS / "resnet20_5.2x", cifar.ResNet)
    found: dict[str, list[float]] = {name: [] for name in LEFT_OUT}
    for _ in range(TURNS):
        for name, left_out in LEFT_OUT.items():
            found[name].append(seconds_a_step(student, teacher, left_out))
    least = {name: round(min(times), 4) for name, times in found.items()}
    told = {
        "seconds": least,
        "ratio": round(least["neither"] / least["both"], 3),
        "torch": torch.__version__,
    }
    print(json.dumps(told, indent=1))
    write_json(RESULTS / "step_time.json", told)


if __name__ == "__main__":
    main()
