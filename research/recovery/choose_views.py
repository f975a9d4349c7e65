"""How many views of an image the original should answer to while it teaches.

    TENFOLD_DATA=folder python -m research.recovery.choose_views --views 1/2 --threads 1
    TENFOLD_DATA=folder python -m research.recovery.choose_views --views 2 --tuning temperature=20

ResNet-20 at 5.2x on 40,000 training images, judged on the other 10,000. The original is one that
has not seen these either (``train_cifar_network --network resnet20 --epochs 24``): what another
has learned by heart would favour whatever repeats it. Writes ``choose_views.json``, a row
for each number of views and seed, and what the original itself makes of the mean of its answers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.networks import cifar, resnet
from benchmarks.networks.augmented import Augmented
from benchmarks.result_files import read_json, write_json
from research.recovery.choose_recovery import HOT, TIMES
from research.recovery.folders import RESULTS
from research.recovery.judged import judged
from research.recovery.mixed_images import HalfPatched
from research.recovery.recover_one import latest
from tenfold.training import TuneSettings, tune
from tenfold.training.losses.logits import with_views
from tenfold.training.read_settings import read_settings

OUT = RESULTS / "choose_views.json"


class Viewed(nn.Module):
    """The mean of a network's answers to several views of each image."""

    def __init__(self, model: nn.Module, count: int) -> None:
        super().__init__()
        self.model, self.count = model, count

    def forward(self, images: Tensor) -> Tensor:
        """``(batch, classes)``."""
        return with_views(self.model(images), self.model, images, self.count)


def recovered(
    small: nn.Module, original: nn.Module, data: Augmented, settings: TuneSettings, kept: list[Any]
) -> dict[str, Any]:
    """What one run came to."""
    began = time.perf_counter()
    model = tune(small, original, data, settings=settings, score=latest()).model
    seconds = time.perf_counter() - began
    return {
        "held_out": judged(model, kept),
        "original_viewed": judged(Viewed(original, settings.views).eval(), kept),
        "epochs": settings.epochs,
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--views", default="1/2", help="as 1/2/4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--tuning", default="", help="what else differs, as temperature=20")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Plan once, then run, print and write a number of views after the other."""
    arguments = arguments_of(argv)
    torch.set_num_threads(arguments.threads)
    data = HalfPatched.of(*cifar.learned(cifar.HELD))
    kept = cifar.shown("train", cifar.HELD)
    original = resnet.load_apart()
    plan = tenfold.plan(original, cifar.example(), {"params": 1 / float(TIMES)})
    small = tenfold.apply(plan, original).eval()
    alone = {"plan_alone": judged(small, kept), "original": judged(original, kept)}
    for count in map(int, arguments.views.split("/")):
        settings = replace(
            HOT,
            epochs=arguments.epochs,
            views=count,
            seed=arguments.seed,
            precision="auto",
            channels_last=True,
            **read_settings(arguments.tuning),
        )
        row = {**recovered(small, original, data, settings, kept), **alone}
        name = f"views {count}, seed {arguments.seed} {arguments.tuning}".rstrip()
        print(name, row, flush=True)
        write_json(OUT, dict(sorted({**read_json(OUT), name: row}.items())))


if __name__ == "__main__":
    main()
