"""The original trained on for longer, so that it can teach better.

    TENFOLD_DATA=folder python -m research.recovery.train_further --device cuda --epochs 30 \
        --networks resnet20:0/resnet20:1/resnet20_apart:0/resnet20_apart:1

What a compressed network cannot learn from the original, because the original does not know it, it
may learn from the original after some more training: on the same images, of which half get a
rectangle of another one and labels by area. Networks are named with a seed each and trained side by
side; those ``_apart`` never see the held-out images. Writes their weights as float16, and
``train_further.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.networks import cifar
from benchmarks.networks.weights import write_half
from benchmarks.result_files import read_json, write_json
from research.recovery.branch import Branch
from research.recovery.folders import RESULTS
from research.recovery.judged import judged
from research.recovery.mixed_images import Patched
from research.recovery.recover_setup import test_images, told
from research.recovery.teachers import STARTS, jobs_in, load_further, weights_of
from research.recovery.train_together import train_together
from tenfold.training import TuneSettings

OUT = RESULTS / "train_further.json"
SETTINGS = TuneSettings(
    rate=2e-3, weight_decay=0.05, task=1.0, logits=0.0, precision="bf16", channels_last=True
)


def judge_of(held: int) -> list[tuple[Tensor, Tensor]]:
    """The images held apart, or the test images."""
    return cifar.shown("train", held) if held else test_images()


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", default="resnet20:0", help="with seeds, as a:0/a:1/b:0")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=0, help="instead of epochs")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """All side by side, then judged; the test images are looked at once."""
    arguments = arguments_of(argv)
    device, seconds = torch.device(arguments.device), arguments.seconds
    epochs = 0 if seconds else arguments.epochs
    jobs = jobs_in(arguments.networks)
    feeds = sorted({(STARTS[name].held, seed) for name, seed in jobs})
    sets = {held: Patched.of(*cifar.learned(held), device) for held, _ in feeds}
    branches = [
        Branch(STARTS[name].load(), feeds.index((STARTS[name].held, seed)), SETTINGS, None)
        for name, seed in jobs
    ]
    images, seeds = [sets[held] for held, _ in feeds], [seed for _, seed in feeds]
    done = train_together(branches, [], images, seeds, device, epochs=epochs, seconds=seconds)
    found = read_json(OUT)
    for branch, (name, seed) in zip(branches, jobs):
        write_half(weights_of(name, seed), branch.student)
        start, judge = STARTS[name], judge_of(STARTS[name].held)
        found[f"{name}, seed {seed}"] = {
            "judged_on": "held-out" if start.held else "test",
            "before": judged(start.load().to(device), judge),
            "after": judged(load_further(name, seed).to(device), judge),
            **done,
            "side_by_side": len(jobs),
            "device": told(device),
        }
    print(json.dumps(found, indent=1))
    write_json(OUT, dict(sorted(found.items())))


if __name__ == "__main__":
    main()
