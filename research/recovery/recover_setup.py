"""What a recovery run begins with: settings, plan, network, images."""

from __future__ import annotations

import argparse
import platform
from functools import cache
from typing import Any

import torch
from torch import nn

import tenfold
from benchmarks.networks import cifar
from benchmarks.networks.augmented import Augmented
from research.recovery.mixed_images import Blended, HalfLabelled, HalfPatched
from research.recovery.recover_earlier import PLAN, cycles_of, work_folder
from research.recovery.teachers import teacher_told
from tenfold.report import make_report
from tenfold.store.folder import read_plan, write_plan
from tenfold.training import TuneSettings
from tenfold.training.read_settings import read_settings

IMAGES = {
    "plain": Augmented,
    "blended": Blended,
    "half-labelled": HalfLabelled,
    "half-patched": HalfPatched,
}

MACS = {"resnet20_macs": {"3.57": 0.30, "4.46": 0.27}}  # kept at most, beside the parameters


def settings_for(arguments: argparse.Namespace, seed: int) -> TuneSettings:
    """What held-out training images preferred."""
    asked = {
        "epochs": arguments.epochs,
        "rate": arguments.rate,
        "seed": seed,
        "features": arguments.features,
        "precision": "auto",
        "every": 120.0,
        "channels_last": True,
    }
    return TuneSettings(**{**asked, **read_settings(arguments.tuning)})


def plan_for(network: str, times: str, model: nn.Module) -> tenfold.Plan:
    """The data-free plan at 1/times of the parameters, and a network's share of MACs, made once."""
    path = work_folder(network, times) / PLAN
    if not path.exists():
        budget = {"params": 1 / float(times)}
        if times in MACS.get(network, {}):
            budget["macs"] = MACS[network][times]
        write_plan(tenfold.plan(model, cifar.example(), budget), path)
    return read_plan(path)


def factored_for(network: str, times: str, model: nn.Module) -> nn.Module:
    """The network that the plan makes of the original, built once."""
    folder = work_folder(network, times) / "factored"
    if not folder.exists():
        plan = plan_for(network, times, model)
        small = tenfold.apply(plan, model)
        report = make_report(model, small, cifar.example(), plan, ())
        tenfold.save(tenfold.Result(small, plan, report, small), folder)
    return tenfold.load(folder, model)


@cache
def training_images(kind: str, device: str) -> Augmented:
    """All 50,000, on the device; read once a process."""
    raw = cifar.read_cifar()
    return IMAGES[kind].of(raw["train_x"], raw["train_y"], torch.device(device))


@cache
def test_images() -> list[Any]:
    """All 10,000."""
    raw = cifar.read_cifar()
    return cifar.batches(raw["test_x"], raw["test_y"])


def begun(
    arguments: argparse.Namespace, times: str, seed: int, past: dict[str, Any] | None
) -> dict[str, Any]:
    """What a run is, and what it goes on from."""
    images, tuning = arguments.images.removesuffix("plain"), arguments.tuning.replace(",", " ")
    by = teacher_told(arguments.teacher)
    cycle = " ".join(filter(None, [str(arguments.epochs), images, tuning, by]))
    origin = arguments.after or (past or {}).get("brought_from")
    return {
        "times": times,
        "seed": seed,
        **({"brought_from": origin} if origin else {}),
        "epochs": arguments.epochs + (past["epochs"] if past else 0),
        "cycles": [*cycles_of(past), cycle],
        "history": past["history"] if past else [],
    }


def told(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
