"""A network for CIFAR-10 (the JPEG copy), compressed without data, then recovered by distillation.

    TENFOLD_DATA=folder python benchmarks/recover.py --times 5.2 --epochs 8
    TENFOLD_DATA=folder python benchmarks/recover.py --network vgg16 --times 20 --epochs 8
    TENFOLD_DATA=folder python benchmarks/recover.py --device cuda --epochs 150 \
        --times 3.57/4.46/5.2 --seeds 0/1/2

The first two are one run each; the third is the whole table of ResNet-20, with a GPU. Images are
kept on the device as bytes and augmented there: crop from 4 pixels of padding, flip. Settings were
chosen on held-out training images; the run trains on all 50,000 and keeps its last epoch, and the
10,000 test images are looked at once, to report. An interrupted run goes on where it stopped when
the same command is run again; ``--report`` writes down the runs as they are, those that are cut
short as such. ``--further`` begins at the saved model of the first seed instead of at the plan, for
as many more epochs: another cycle of rising and falling rate (SGDR, Loshchilov & Hutter 2017).
``--images blended`` mixes half of each batch with other images and leaves the teaching to the
original; with ``half-labelled`` the labels of the other half count too.

Writes ``results/recover_<network>.json``, the curves beside it as SVG, and each first seed's model
to ``results/<network>_<n>x/``.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import cifar
import tenfold
from augmented import Augmented, Blended, HalfLabelled
from recover_earlier import (
    BEGUN,
    PLAN,
    cycles_of,
    longest_run,
    name_of,
    saved_model,
    saved_plan,
    work_folder,
)
from recover_results import NETWORKS, keep, scored_by_loss, write_results
from tenfold.saving import read_plan, write_plan
from tenfold.tune import TuneSettings, tune
from tenfold.tune.checkpoint import BEST, FILE
from tenfold.tune.score import accuracy
from written import write_json

IMAGES = {"plain": Augmented, "blended": Blended, "half-labelled": HalfLabelled}
CYCLE = 1000  # apart lie the seeds of a run's cycles, so that none sees the images as before


def settings_for(arguments: argparse.Namespace, seed: int) -> TuneSettings:
    """What held-out training images preferred."""
    return TuneSettings(
        epochs=arguments.epochs, rate=arguments.rate, seed=seed, features=arguments.features,
        precision="auto", channels_last=True, every=120.0,
    )  # fmt: skip


def plan_for(network: str, times: str, model: nn.Module) -> tenfold.Plan:
    """The data-free plan at 1/times of the parameters, made once."""
    path = work_folder(network, times) / PLAN
    if not path.exists():
        write_plan(tenfold.plan(model, cifar.example(), {"params": 1 / float(times)}), path)
    return read_plan(path)


def recover(arguments: argparse.Namespace, times: str, seed: int, data: dict[str, Any]) -> None:
    """One run, and its line in a file of its own."""
    network = arguments.network
    past = longest_run(network, times, seed) if arguments.further else None
    run = begun(arguments, times, seed, past)
    target = work_folder(network, times) / name_of(run)
    if (target / "row.json").exists():
        return
    device = torch.device(arguments.device)
    original = NETWORKS[network]()
    plan = saved_plan(network, times) if past else plan_for(network, times, original)
    factored = saved_model(network, times, original) if past else tenfold.apply(plan, original)
    test = data["test"]
    if not (target / BEGUN).exists():  # else this goes on with an interrupted run
        (target / PLAN).unlink(missing_ok=True)
        write_plan(plan, target / PLAN)
        write_json(target / BEGUN, run)
    settings = settings_for(arguments, seed + CYCLE * (len(run["cycles"]) - 1))
    clock = Stopwatch(target / "seconds.json", past["seconds"] if past else 0.0)
    tuned = tune(
        factored.to(device), original.to(device), data["train"], settings=settings,
        score=latest(), checkpoint=target, progress=clock,
    )  # fmt: skip
    original, model = original.cpu(), tuned.model.cpu()
    history = [*run["history"], *scored_by_loss(tuned.history)]
    row = {
        **run, "device": told(device), "before": accuracy(original, test),
        "plan_only": past["plan_only"] if past else accuracy(factored.cpu(), test),
        "after": accuracy(model, test),
        "seconds": round(clock.seconds, 1), "threads": torch.get_num_threads(),
        "rate": settings.rate, "features": settings.features, "history": history,
    }  # fmt: skip
    row["change"] = round(row["after"] - row["before"], 2)
    row |= keep(original, model, plan, network, times, seed, history)
    write_json(target / "row.json", row)
    (target / FILE).unlink()
    (target / BEST).unlink()


def begun(
    arguments: argparse.Namespace, times: str, seed: int, past: dict[str, Any] | None
) -> dict[str, Any]:
    """What a run is, and what it goes on from."""
    cycle = f"{arguments.epochs} {arguments.images}".removesuffix(" plain")
    return {
        "times": times, "seed": seed,
        "epochs": arguments.epochs + (past["epochs"] if past else 0),
        "cycles": [*cycles_of(past), cycle], "history": past["history"] if past else [],
    }  # fmt: skip


def latest() -> Any:
    """A score that rises: the last epoch of a cosine is kept, no image chooses among epochs."""
    count = iter(range(1_000_000))
    return lambda _: float(time.time_ns() // 1_000_000 + next(count))


class Stopwatch:
    """Prints the time left, and adds up seconds over interruptions."""

    def __init__(self, path: Path, before: float) -> None:
        self.path, self.began = path, time.monotonic()
        self.before = json.loads(path.read_text()) if path.exists() else before
        self.first: int | None = None

    @property
    def seconds(self) -> float:
        """Of all parts of the run."""
        return self.before + time.monotonic() - self.began

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.first = done if self.first is None else self.first
        if done % 50:
            return
        write_json(self.path, self.seconds)
        pace = (time.monotonic() - self.began) / max(1, done - self.first + 1)
        print(f"{stage} {done}/{total}, {pace * (total - done) / 60:.0f} min left", flush=True)


def told(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"


def main() -> None:
    """Run what is asked, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=tuple(NETWORKS), default="resnet20")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--times", default="5.2", help="budgets, as 3.57/4.46/5.2")
    parser.add_argument("--seeds", default="0", help="as 0/1/2")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--features", type=float, default=0.0, help="their weight")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--images", choices=tuple(IMAGES), default="plain", help="half mixed?")
    parser.add_argument("--further", action="store_true", help="from the saved model on; seed 0")
    parser.add_argument("--report", action="store_true", help="train nothing, write the results")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    raw = cifar.read_cifar()
    test = cifar.batches(raw["test_x"], raw["test_y"])
    if not arguments.report:
        device = torch.device(arguments.device)
        train = IMAGES[arguments.images].of(raw["train_x"], raw["train_y"], device)
        for seed in arguments.seeds.split("/"):
            for times in arguments.times.split("/"):
                recover(arguments, times, int(seed), {"train": train, "test": test})
    write_results(arguments.network, test)


if __name__ == "__main__":
    main()
