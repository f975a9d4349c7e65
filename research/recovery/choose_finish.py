"""How to end a recovery run whose images were patched: judged on 10,000 images nobody has seen.

    TENFOLD_DATA=folder python -m research.recovery.choose_finish --times 5.2 --threads 1

The test's images have no rectangles of others in them, so the last epochs, or only the statistics
of BatchNorm, might better be of plain images. The original is the ResNet-20 that has not seen the
held-out images. Writes ``choose_finish.json``, a row for each budget and way.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from benchmarks.networks import cifar, resnet
from benchmarks.networks.augmented import Augmented
from benchmarks.result_files import read_json, write_json
from research.recovery.choose_teacher import DECAYED
from research.recovery.folders import RESULTS
from research.recovery.judged import judged
from research.recovery.mixed_images import HalfPatched
from research.recovery.recover_one import latest
from research.recovery.recover_setup import factored_for
from tenfold.training import tune
from tenfold.training.batchnorm import reestimate

OUT = RESULTS / "choose_finish.json"
BASE = replace(DECAYED, precision="auto", channels_last=True)
WAYS = {
    "plain, a tenth of the rate": (Augmented, replace(BASE, rate=2e-4)),
    "patched, a tenth of the rate": (HalfPatched, replace(BASE, rate=2e-4)),
    "plain, a third of the rate": (Augmented, replace(BASE, rate=7e-4)),
    "plain, a third of the rate, weights averaged": (
        Augmented,
        replace(BASE, rate=7e-4, ema=0.995),
    ),
}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", default="5.2")
    parser.add_argument("--epochs", type=int, default=7, help="of the run")
    parser.add_argument("--end", type=int, default=2, help="epochs of its end")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """A run, then its end in every way."""
    arguments = arguments_of(argv)
    torch.set_num_threads(arguments.threads)
    kept, learned = cifar.shown("train", cifar.HELD), cifar.learned(cifar.HELD)
    plain, patched = Augmented.of(*learned), HalfPatched.of(*learned)
    original = resnet.load_apart()
    small = factored_for("resnet20_apart", arguments.times, original)
    settings = replace(BASE, epochs=arguments.epochs)
    model = tune(small, original, patched, settings=settings, score=latest()).model
    ways = {"as it is": None, **WAYS}
    for name, way in ways.items():
        ended = copy.deepcopy(model)
        if way is not None:
            images, finish = way
            data = plain if images is Augmented else patched
            finish = replace(finish, epochs=arguments.end, seed=1)
            ended = tune(ended, original, data, settings=finish, score=latest()).model
        row = {"held_out": judged(ended, kept)}
        reestimate(ended, plain, len(plain), torch.device("cpu"))
        row["statistics_anew"] = judged(ended.eval(), kept)
        print(name, row, flush=True)
        written = {**read_json(OUT), f"{arguments.times}x, {name}": row}
        write_json(OUT, dict(sorted(written.items())))


if __name__ == "__main__":
    main()
