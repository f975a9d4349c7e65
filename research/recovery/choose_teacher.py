"""Who should teach ResNet-20 at 5.2x, and how, judged on 10,000 images that nobody has seen.

    TENFOLD_DATA=folder python -m research.recovery.train_further --device cuda \
        --networks resnet20_apart:0/resnet20_apart:1/resnet56_apart:0
    TENFOLD_DATA=folder python -m research.recovery.choose_teacher --device cuda --epochs 20

The original here is the ResNet-20 that has not seen the held-out images; it teaches as it is or,
after more training, alone or with another one of another seed. (ResNet-56 began at weights that had
seen the images without JPEG's artefacts, so its row may be a little too good.) Writes
``choose_teacher.json``.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.networks import cifar, resnet
from benchmarks.result_files import write_json
from research.recovery.branch import Branch
from research.recovery.choose_recovery import HOT, TIMES
from research.recovery.folders import RESULTS
from research.recovery.judged import judged
from research.recovery.mixed_images import HalfPatched
from research.recovery.recover_setup import factored_for, told
from research.recovery.teachers import Committee, load_further
from research.recovery.train_together import time_layouts, train_together

VIEWED = replace(HOT, views=2)
DECAYED = replace(VIEWED, weight_decay=0.05)
TEACHERS = ("original", "further", "two further", "resnet56")
WAYS = {
    "original": (0, VIEWED),
    "further": (1, VIEWED),
    "two further": (2, VIEWED),
    "resnet56": (3, VIEWED),
    "original, decay 0.05": (0, DECAYED),
    "further, decay 0.05": (1, DECAYED),
    "further, decay 0.2": (1, replace(VIEWED, weight_decay=0.2)),
    "further, twice the rate": (1, replace(VIEWED, rate=4e-3)),
    "further, labels four times": (1, replace(VIEWED, task=2.0)),
    "further, temperature 2": (1, replace(VIEWED, temperature=2.0)),
}
LAYOUTS = (("bf16", True), ("bf16", False), ("fp32", True))  # precision, channels last


def teachers() -> list[nn.Module]:
    """In the order of their names."""
    one, other = load_further("resnet20_apart", 0), load_further("resnet20_apart", 1)
    both = Committee([copy.deepcopy(one), other]).eval()
    return [resnet.load_apart(), one, both, load_further("resnet56_apart", 0)]


def branches_of(student: nn.Module, precision: str, last: bool) -> list[Branch]:
    """A copy of the network for every way."""
    return [
        Branch(
            copy.deepcopy(student),
            0,
            replace(settings, precision=precision, channels_last=last),
            teacher,
        )
        for teacher, settings in WAYS.values()
    ]


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0, help="instead of epochs")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Time, train, judge, write."""
    arguments = arguments_of(argv)
    device, seconds = torch.device(arguments.device), arguments.seconds
    epochs = 0 if seconds else arguments.epochs
    images = HalfPatched.of(*cifar.learned(cifar.HELD), device)
    student = factored_for("resnet20_apart", TIMES, resnet.load_apart())
    timed, layout = time_layouts(partial(branches_of, student), teachers, [images], device, LAYOUTS)
    branches = branches_of(student, *layout)
    done = train_together(
        branches, teachers(), [images], [0], device, epochs=epochs, seconds=seconds
    )
    kept = cifar.shown("train", cifar.HELD)
    found: dict[str, Any] = {
        "held_out": {
            name: round(judged(branch.student, kept), 2) for name, branch in zip(WAYS, branches)
        },
        "teachers": {
            name: round(judged(one.to(device), kept), 2) for name, one in zip(TEACHERS, teachers())
        },
        **done,
        "milliseconds_a_step_of_all": timed,
        "times": TIMES,
        "device": told(device),
        "torch": torch.__version__,
    }
    print(json.dumps(found, indent=1))
    write_json(RESULTS / "choose_teacher.json", found)


if __name__ == "__main__":
    main()
