"""What earlier recovery runs left: where it lies, their rows, and the model to go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

import tenfold
from tenfold.rebuild import build_structure
from tenfold.saving import read_plan
from written import RESULTS

WORK = RESULTS / "recover.work"
BEGUN = "begun.json"  # in a run's folder: what the run is, and what it goes on from
WEIGHTS = "model.safetensors"  # in the folder of a run that has ended
PLAN = "plan.json"  # of a budget, of a run, of a saved model


def work_folder(network: str, times: str) -> Path:
    """Where the plan and the checkpoints of a budget are kept."""
    return WORK / f"{network}-{times}x"


def name_of(run: dict[str, Any]) -> str:
    """A run's folder within its budget's."""
    return f"seed{run['seed']}-{'-'.join(run['cycles'])}".replace(" ", "-")


def kept_run(network: str, times: str) -> dict[str, Any] | None:
    """The run that the saved model comes from: the one of the losses in its report."""
    report = RESULTS / f"{network}_{times}x" / "report.json"
    losses = json.loads(report.read_text())["history"] if report.exists() else None
    mine = [run for run in written_runs(network) if float(run["times"]) == float(times)]
    return next((run for run in mine if run["history"] == losses), None)


def past_run(network: str, times: str, seed: int) -> dict[str, Any] | None:
    """What to go on from: the seed's longest run that left its weights, or the saved model's."""
    here = [json.loads(row.read_text()) for row in work_folder(network, times).glob("*/row.json")]
    left = [run for run in here if run["seed"] == seed and weights_of(network, run).exists()]
    kept = kept_run(network, times)
    if kept is not None and kept["seed"] == seed:
        left.append(kept)
    return max(left, key=lambda run: run["epochs"], default=None)


def weights_of(network: str, run: dict[str, Any]) -> Path:
    """Where a run leaves them."""
    return work_folder(network, run["times"]) / name_of(run) / WEIGHTS


def write_weights(folder: Path, model: nn.Module) -> None:
    """Leave them in a run's folder."""
    state = {k: v.cpu().contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)


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


def cycles_of(run: dict[str, Any] | None) -> list[str]:
    """Epochs of each rise and fall of the rate so far, and on what."""
    return [] if run is None else run.get("cycles", [str(run["epochs"])])


def schedule(row: dict[str, Any]) -> str:
    """Its cycles in words, such as ``18 + 30 blended``."""
    return " + ".join(cycles_of(row))


def written_runs(network: str) -> list[dict[str, Any]]:
    """The runs that the results file tells of."""
    path = results_file(network)
    return json.loads(path.read_text())["runs"] if path.exists() else []


def results_file(network: str) -> Path:
    """Where a network's table is written."""
    return RESULTS / f"recover_{network}.json"
