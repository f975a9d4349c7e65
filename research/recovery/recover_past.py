"""What a recovery run leaves to go on from: its weights and plan."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

import tenfold
from research.recovery.chain_stages import composed
from research.recovery.folders import RESULTS
from research.recovery.recover_earlier import PLAN, kept_run, name_of, work_folder
from research.recovery.recover_setup import factored_for, plan_for
from tenfold.build.rebuild import build_structure
from tenfold.store.folder import read_plan

WEIGHTS = "model.safetensors"  # in the folder of a run that has ended


def past_run(network: str, times: str, seed: int) -> dict[str, Any] | None:
    """What to go on from: the seed's longest run that left its weights, or the saved model's."""
    here = [json.loads(row.read_text()) for row in work_folder(network, times).glob("*/row.json")]
    left = [run for run in here if run["seed"] == seed and weights_of(network, run).exists()]
    kept = kept_run(network, times)
    if kept is not None and kept["seed"] == seed:
        left.append(kept)
    return max(left, key=lambda run: run["epochs"], default=None)


def past_of(arguments: argparse.Namespace, times: str, seed: int) -> dict[str, Any] | None:
    """The run to go on from, where one is asked for; then there must be one."""
    if not (arguments.further or arguments.after):
        return None
    past = past_run(arguments.after or arguments.network, times, seed)
    if past is None:
        raise SystemExit(
            f"--further and --after need an ended run at {times}x, seed {seed}, but found none that"
            " left its weights; leave them out for a first."
        )
    return past


def weights_of(network: str, run: dict[str, Any]) -> Path:
    """Where a run leaves them."""
    return work_folder(network, run["times"]) / name_of(run) / WEIGHTS


def plan_of(
    arguments: argparse.Namespace, times: str, past: dict[str, Any] | None, original: nn.Module
) -> tenfold.Plan:
    """The earlier run's, or where there is none, or one of another network, that of the budget."""
    network = arguments.network
    further = past and not arguments.after
    return past_plan(network, past) if further else plan_for(network, times, original)


def start_of(
    arguments: argparse.Namespace, times: str, past: dict[str, Any] | None, original: nn.Module
) -> nn.Module:
    """What an earlier run left, or what the plan makes of the original, or of what a run of another
    network left."""
    network = arguments.network
    if past is None:
        return factored_for(network, times, original)
    if not arguments.after:
        return past_model(network, past, original)
    small = past_model(arguments.after, past, original)
    dense = composed(original, small, past_plan(arguments.after, past))
    return tenfold.apply(plan_for(network, times, original), dense.eval())


def past_model(network: str, run: dict[str, Any], original: nn.Module) -> nn.Module:
    """What this run left, in its folder or in the repository."""
    path = weights_of(network, run)
    if not path.exists():
        return tenfold.load(RESULTS / f"{network}_{run['times']}x", original)
    model = build_structure(original, past_plan(network, run))
    model.load_state_dict(load_file(path))
    return model.eval()


def past_plan(network: str, run: dict[str, Any]) -> tenfold.Plan:
    """The plan that this was built by."""
    if weights_of(network, run).exists():
        return read_plan(work_folder(network, run["times"]) / PLAN)
    return read_plan(RESULTS / f"{network}_{run['times']}x" / PLAN)
