"""ResNet-20 for CIFAR-10 (the JPEG copy), compressed without data, then recovered by distillation.

    TENFOLD_DATA=folder python -m research.recovery.recover --times 5.2 --epochs 32 \
        --images half-patched --tuning temperature=4 --rate 2e-3
    TENFOLD_DATA=folder python -m research.recovery.recover --device cuda --seconds 300 \
        --times 3.57/4.46/5.2 --seeds 0/1/2 --images half-patched --tuning temperature=4 --rate 2e-3

The first command is one run by ``tenfold.training.tune``. The second is the whole table, all runs
side by side on a GPU, by a training loop of this folder (``train_together.py``), for as many epochs
as the seconds hold. Images stay on the device as bytes and are augmented there: crop from 4 pixels
of padding, flip. Settings were chosen on held-out training images (``choose_recovery.py``); a run
trains on all 50,000 and keeps its last epoch, and the 10,000 test images are looked at once, to
report.

An interrupted run goes on where it stopped when the same command is run again. ``--report`` writes
down the runs as they are and marks those that are cut short. ``--further`` begins where each seed's
longest run ended instead of at the plan, for so many more epochs: another cycle of rising and
falling rate (SGDR, Loshchilov & Hutter 2017). ``--images blended`` mixes half of each batch with
other images and leaves the teaching to the original; with ``half-labelled`` the labels of the other
half count too; with ``half-patched`` rectangles of other images take the place of mixtures.

``--network resnet20_macs`` is ResNet-20 with plans that also remove 70 % of the MACs at 3.57x and
73 % at 4.46x, as the published ones do; with ``--after resnet20`` each seed begins with what the
longest run of that network left, its chains composed and brought to these plans.

Writes ``recover_<network>.json``, the curves beside it as SVG, and each first seed's model to
``<network>_<n>x/`` where it was trained for longer than the one there (or ``--keep``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from research.recovery.recover_one import recover
from research.recovery.recover_results import NETWORKS, write_results
from research.recovery.recover_setup import IMAGES, factored_for, test_images
from research.recovery.recover_together import judge_all, recover_together


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=tuple(NETWORKS), default="resnet20")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--times", default="5.2", help="budgets, as 3.57/4.46/5.2")
    parser.add_argument("--seeds", default="0", help="as 0/1/2")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--seconds", type=float, default=0, help="on a GPU, instead of epochs")
    parser.add_argument("--features", type=float, default=0.0, help="their weight")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tuning", default="", help="more settings, such as task=2.0,ema=0.999")
    parser.add_argument("--images", choices=tuple(IMAGES), default="plain", help="half mixed?")
    parser.add_argument("--teacher", default="", help="from train_further, as resnet20:0")
    parser.add_argument("--further", action="store_true", help="from where a seed's run has ended")
    parser.add_argument("--after", choices=tuple(NETWORKS), help="its runs, brought to this plan")
    parser.add_argument("--keep", action="store_true", help="save the first seed's model anyway")
    parser.add_argument("--unjudged", action="store_true", help="leave that to --report, elsewhere")
    parser.add_argument("--report", action="store_true", help="train nothing, write the results")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is asked, one after the other."""
    arguments = arguments_of(argv)
    torch.set_num_threads(arguments.threads)
    if not arguments.report:
        run_all(arguments)
    if arguments.unjudged:
        return
    judge_all(arguments.network, arguments.keep)
    write_results(arguments.network, test_images())


def run_all(arguments: argparse.Namespace) -> None:
    """One after the other; on a GPU side by side."""
    every, seeds = arguments.times.split("/"), map(int, arguments.seeds.split("/"))
    jobs = [(times, seed) for seed in seeds for times in every]
    if not arguments.further:  # before the first run, so that it is not counted as its time
        for times in every:
            factored_for(arguments.network, times, NETWORKS[arguments.network]())
    if torch.device(arguments.device).type == "cuda":
        recover_together(arguments, jobs)
        return
    for times, seed in jobs:
        recover(arguments, times, seed)


if __name__ == "__main__":
    main()
