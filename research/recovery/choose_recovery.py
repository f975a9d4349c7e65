"""Ways to recover ResNet-20 at 5.2x, judged on 10,000 training images that none of them saw.

    TENFOLD_DATA=folder python -m research.recovery.choose_recovery --seconds 60

First the arithmetic is timed, then all ways are trained side by side in the fastest, for as many
epochs as the seconds hold. The original has learned from all training images; what is judged is
only what the compressed network makes of them. Writes ``choose_recovery.json``.
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
from research.recovery.folders import RESULTS
from research.recovery.judged import judged
from research.recovery.recover_setup import IMAGES, factored_for, told
from research.recovery.train_together import time_layouts, train_together
from tenfold.training import TuneSettings

TIMES = "5.2"
FEEDS = ("plain", "half-labelled", "half-patched")
PLAIN = TuneSettings(rate=2e-3, features=0.0)
HOT = replace(PLAIN, temperature=4.0)
WAYS = {  # what the images are, and how they are learned from
    "plain, temperature 2": ("plain", PLAIN),
    "half blended, temperature 2": ("half-labelled", PLAIN),
    "half patched, temperature 2": ("half-patched", PLAIN),
    "plain, temperature 4": ("plain", HOT),
    "half blended, temperature 4": ("half-labelled", HOT),
    "half patched, temperature 4": ("half-patched", HOT),
    "half patched, temperature 4, twice the rate": ("half-patched", replace(HOT, rate=4e-3)),
    "half patched, temperature 4, labels four times": ("half-patched", replace(HOT, task=2.0)),
    "half patched, temperature 4, clipped at 10": ("half-patched", replace(HOT, clip=10.0)),
}
LAYOUTS = (("bf16", True), ("fp32", False), ("bf16", False))  # precision, channels last


def branches_of(student: nn.Module, precision: str, last: bool) -> list[Branch]:
    """A copy of the network for every way."""
    return [
        Branch(
            copy.deepcopy(student),
            FEEDS.index(images),
            replace(settings, precision=precision, channels_last=last),
        )
        for images, settings in WAYS.values()
    ]


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=60)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Time, train, judge, write."""
    arguments = arguments_of(argv)
    device = torch.device(arguments.device)
    learned = cifar.learned(cifar.HELD)
    images = [IMAGES[k].of(*learned, device) for k in FEEDS]
    original = resnet.resnet20()
    student = factored_for("resnet20", TIMES, original)
    milliseconds, (precision, last) = time_layouts(
        partial(branches_of, student), lambda: [copy.deepcopy(original)], images, device, LAYOUTS
    )
    branches = branches_of(student, precision, last)
    seeds = [0] * len(images)
    done = train_together(branches, [original], images, seeds, device, seconds=arguments.seconds)
    kept = cifar.shown("train", cifar.HELD)
    found: dict[str, Any] = {
        "held_out": {name: round(judged(b.student, kept), 2) for name, b in zip(WAYS, branches)},
        **done,
        "milliseconds_a_step_of_all": milliseconds,
        "arithmetic": [precision, "channels last" if last else "channels first"],
        "times": TIMES,
        "device": told(device),
        "torch": torch.__version__,
    }
    print(json.dumps(found, indent=1))
    write_json(RESULTS / "choose_recovery.json", found)


if __name__ == "__main__":
    main()
