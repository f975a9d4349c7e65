"""What earlier recovery runs are: where they lie, their rows and schedules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from research.recovery.folders import RESULTS

WORK = RESULTS / "recover.work"
BEGUN = "begun.json"  # in a run's folder: what the run is, and what it goes on from
CYCLE = 1000  # apart lie the seeds of a run's cycles
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


def cycles_of(run: dict[str, Any] | None) -> list[str]:
    """Epochs of each rise and fall of the rate so far, and on what."""
    return [] if run is None else run.get("cycles", [str(run["epochs"])])


def draw_of(seed: int, past: dict[str, Any] | None) -> int:
    """The seed of a run's next cycle, in which it sees no image as before."""
    return seed + CYCLE * len(cycles_of(past))


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
