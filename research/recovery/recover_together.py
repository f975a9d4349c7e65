"""Recovery runs side by side on a GPU: trained, written down, and judged, perhaps elsewhere."""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks.networks.weights import write_weights
from benchmarks.result_files import write_json
from research.recovery.branch import Branch
from research.recovery.judged import judged
from research.recovery.recover_earlier import PLAN, WORK, draw_of, name_of, work_folder
from research.recovery.recover_past import WEIGHTS, past_of, start_of
from research.recovery.recover_results import NETWORKS, keep
from research.recovery.recover_setup import (
    begun,
    factored_for,
    settings_for,
    test_images,
    told,
    training_images,
)
from research.recovery.teachers import teacher_of
from research.recovery.train_together import train_together
from tenfold.build.rebuild import build_structure
from tenfold.store.folder import read_plan

TRAINED = "trained.json"


def recover_together(arguments: argparse.Namespace, jobs: list[tuple[str, int]]) -> None:
    """All runs, each from its plan or from where its seed's longest run has ended."""
    if arguments.features:
        raise SystemExit("Runs side by side go without the blocks' features; leave these out.")
    device, network = torch.device(arguments.device), arguments.network
    original = NETWORKS[network]()
    pasts = [past_of(arguments, times, seed) for times, seed in jobs]
    draws = [draw_of(seed, past) for (_, seed), past in zip(jobs, pasts)]
    seeds = sorted(set(draws))
    branches = [
        Branch(
            start_of(arguments, times, past, original),
            seeds.index(draw),
            settings_for(arguments, draw),
        )
        for (times, _), past, draw in zip(jobs, pasts, draws)
    ]
    images = [training_images(arguments.images, arguments.device)] * len(seeds)
    epochs, seconds = arguments.epochs, arguments.seconds
    teacher = teacher_of(arguments.teacher, original)
    done = train_together(
        branches,
        [teacher],
        images,
        seeds,
        device,
        epochs=0 if seconds else epochs,
        seconds=seconds,
        like=original,
    )
    arguments.epochs = done["epochs"]
    for branch, (times, seed), past in zip(branches, jobs, pasts):
        run = begun(arguments, times, seed, past)
        run |= {
            "seconds": round(done["seconds"] + (past["seconds"] if past else 0.0), 1),
            "device": told(device),
            "side_by_side": len(jobs),
            "rate": branch.settings.rate,
            "tuning": arguments.tuning,
            "history": continued(run["history"], branch.history),
        }
        write_trained(work_folder(network, times) / name_of(run), branch.student, run)


def continued(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Losses by epoch, counted on."""
    return [*before, *({**told, "epoch": len(before) + told["epoch"]} for told in after)]


def write_trained(folder: Path, model: nn.Module, run: dict[str, Any]) -> None:
    """What a run is and what it came to, not yet judged."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder / WEIGHTS, model)
    write_json(folder / TRAINED, run)


def judge_all(network: str, anyway: bool) -> None:
    """A row for each of these runs that has none; ``anyway`` saves the first seeds' models."""
    for path in sorted(WORK.glob(f"{network}-*/*/{TRAINED}")):
        if not (path.parent / "row.json").exists():
            write_json(path.parent / "row.json", judge(network, path.parent, anyway))


def judge(network: str, folder: Path, anyway: bool) -> dict[str, Any]:
    """The run with its accuracies before, from the plan alone, and after; on the CPU."""
    run, original = json.loads((folder / TRAINED).read_text()), NETWORKS[network]()
    plan = read_plan(folder.parent / PLAN)
    model = build_structure(original, plan)
    model.load_state_dict(load_file(folder / WEIGHTS))
    before, after = before_all(network), judged(model.eval(), test_images())
    counted = keep(
        original, model, plan, network, run["times"], run["seed"], run["history"], anyway=anyway
    )
    return {
        **run,
        "before": before,
        "plan_only": plan_alone(network, run["times"]),
        "after": after,
        "change": round(after - before, 2),
        **counted,
    }


@cache
def before_all(network: str) -> float:
    """The original's accuracy."""
    return judged(NETWORKS[network](), test_images())


@cache
def plan_alone(network: str, times: str) -> float:
    """That of the network that its plan makes of it."""
    return judged(factored_for(network, times, NETWORKS[network]()), test_images())
