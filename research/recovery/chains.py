"""What helps chains of factors train: short runs on training images, judged on held-out ones.

    TENFOLD_DATA=folder python -m research.recovery.chains [--epochs 2] [--only NAME]

ResNet-20 at 5.2x, images of the training part only; the score is the accuracy on 2,500 held-out
training images. The stages of gradual compression share the epochs out, so ``--epochs 6`` has both.
Writes ``chains.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from unittest import mock

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.networks import cifar, resnet
from benchmarks.networks.augmented import Augmented
from benchmarks.result_files import read_json, write_json
from research.recovery.chain_norms import folded, with_norms
from research.recovery.chain_rates import factor_rates
from research.recovery.chain_stages import in_stages
from research.recovery.folders import RESULTS
from research.recovery.recover_setup import plan_for
from tenfold.training import TuneSettings, tune
from tenfold.training.loop import size
from tenfold.training.score import accuracy

TIMES = "5.2"
STAGED = {"two stages": 2, "three stages": 3}
BEST = "balanced"  # what the stages are trained as


def variants(images: Tensor) -> dict[str, tuple[Callable[[nn.Module], nn.Module], bool, dict]]:
    """Name: how the factored network is prepared, rates a factor or not, other settings."""

    def same(model: nn.Module) -> nn.Module:
        return model

    def norms(model: nn.Module) -> nn.Module:
        return with_norms(model, images)

    return {
        "as it was factored": (unbalanced, False, {"balance": False}),
        "balanced": (same, False, {}),
        "rate a factor": (unbalanced, True, {"balance": False}),
        "balanced, rate a factor": (same, True, {}),
        "balanced, norms between": (norms, False, {}),
        "half the rate": (same, False, {"rate": 0.5}),
        "a quarter of the rate": (same, False, {"rate": 0.25}),
        "twice the rate": (same, False, {"rate": 2.0}),
        "four times the rate": (same, False, {"rate": 4.0}),
        "no features": (same, False, {"features": 0.0}),
        "features 4": (same, False, {"features": 4.0}),
        "logits only": (same, False, {"features": 0.0, "task": 0.0}),
        "temperature 4": (same, False, {"temperature": 4.0}),
        "no decay": (same, False, {"weight_decay": 0.0}),
        "no clipping": (same, False, {"clip": 1e9}),
        "clip 5": (same, False, {"clip": 5.0}),
        "ema": (same, False, {"ema": 0.99}),
    }


def unbalanced(_: nn.Module) -> nn.Module:
    """Factored as always, but with the sizes that the decomposition gives the factors."""
    original = resnet.resnet20()
    with mock.patch("tenfold.build.rebuild.balance_all"):
        return tenfold.apply(plan_for("resnet20", TIMES, original), original)


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", help="names joined by /")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write after each."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    raw, (held, rest) = cifar.read_cifar(), cifar.split_indices()
    rest = rest[: arguments.images]
    data = Augmented.of(raw["train_x"][rest], raw["train_y"][rest])
    judge = cifar.batches(raw["train_x"][held], raw["train_y"][held])
    original = resnet.resnet20()
    factored = tenfold.apply(plan_for("resnet20", TIMES, original), original)
    path = RESULTS / "chains.json"
    key = f"{arguments.images} images, {arguments.epochs} epochs"
    found = read_json(path)
    table = found.setdefault(
        key,
        {
            "original": accuracy(original, judge),
            "before": accuracy(factored, judge),
            "runs": {},
        },
    )["runs"]
    base = TuneSettings().peak_rate(size(original), size(factored))
    menu = variants(judge[0][0])

    def score(model: nn.Module) -> float:
        return accuracy(model, judge)

    staged = [name for name, stages in STAGED.items() if arguments.epochs % stages == 0]
    for name in arguments.only.split("/") if arguments.only else (*menu, *staged):
        if name in table:
            continue
        prepare, rates, changes = menu[BEST] if name in STAGED else menu[name]
        changes = {**changes, "rate": base * changes.get("rate", 1.0)}
        settings = TuneSettings(
            epochs=arguments.epochs, precision="auto", channels_last=True, **changes
        )
        began = time.process_time()
        with factor_rates() if rates else nullcontext():
            if name in STAGED:
                tuned = in_stages(original, data, settings, score, STAGED[name], float(TIMES))
            else:
                tuned = tune(prepare(factored), original, data, settings=settings, score=score)
        table[name] = {
            "after": round(score(folded(tuned.model)), 2),
            "rate": settings.rate,
            "cpu_seconds": round(time.process_time() - began),
            "scores": [round(h["score"], 2) for h in tuned.history],
            "largest_gradient": [round(h["gradient"], 2) for h in tuned.history],
            "losses": [round(h["loss"], 4) for h in tuned.history],
        }
        print(name, table[name], flush=True)
        write_json(path, found)


if __name__ == "__main__":
    main()
