"""What recovery runs came to: models saved, rows joined with those of earlier calls, one JSON."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

import tenfold
from benchmarks.networks import cifar, resnet
from benchmarks.result_files import write_json
from research.recovery.draw_recovery import draw_recovery
from research.recovery.folders import RESULTS
from research.recovery.recover_earlier import (
    BEGUN,
    PLAN,
    WORK,
    kept_run,
    results_file,
    schedule,
    written_runs,
)
from tenfold.build.rebuild import build_structure
from tenfold.machine.tensors import pick
from tenfold.report import make_report
from tenfold.store.folder import read_plan
from tenfold.training.checkpoint import FILE, read_state
from tenfold.training.score import accuracy

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet20": resnet.resnet20,
    "resnet20_macs": resnet.resnet20,
}
GOALS = {  # points of accuracy against the original
    "resnet20": {"3.57": 0.3, "4.46": 0.0, "5.2": -0.3},
    "resnet20_macs": {"3.57": 0.3, "4.46": 0.0},
}
TABLE = {
    "3.57": "+0.15 (TT, 72 % of parameters and 70 % of FLOPs removed), arXiv 2409.03555",
    "4.46": "-0.43 (CP, 77.6 % and 73 %), arXiv 2409.03555",
}
PUBLISHED = {
    "resnet20": {**TABLE, "5.2": "the headline: less than 0.3 lost"},
    "resnet20_macs": TABLE,
}


def keep(
    original: nn.Module,
    model: nn.Module,
    plan: tenfold.Plan,
    network: str,
    times: str,
    seed: int,
    history: Sequence[Any],
    note: str | None = None,
    anyway: bool = False,
) -> dict[str, Any]:
    """Save the first seed's model, in place of one of fewer epochs or, where asked, of any; returns
    what was counted."""
    report = make_report(original, model, cifar.example(), plan, tuple(history))
    folder = RESULTS / f"{network}_{times}x"
    finished = folder.exists() and not (folder / "cut_short.txt").exists()
    there = kept_run(network, times)
    longer = anyway or there is None or len(history) >= there["epochs"]
    if seed == 0 and longer and not (note and finished):
        extra = {} if note is None else {"cut_short.txt": note + "\n"}
        new = WORK / "new" / folder.name
        shutil.rmtree(new, ignore_errors=True)
        tenfold.save(tenfold.Result(model, plan, report, model), new, extra=extra)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    removed = {c: round(1 - report.after[c] / report.before[c], 4) for c in ("params", "macs")}
    return {"params": report.after["params"], "macs": report.after["macs"], "removed": removed}


def scored_by_loss(history: Sequence[Any]) -> list[dict[str, Any]]:
    """Epochs with the training loss in place of the time that ``latest`` puts as a score."""
    return [{**epoch, "score": -epoch["loss"]} for epoch in history]


def cut_short(network: str, test: list[Any]) -> list[dict[str, Any]]:
    """The runs that have a checkpoint but no end, judged as they are."""
    rows = []
    for path in sorted(WORK.glob(f"{network}-*/*/{FILE}")):
        found = read_state(path)
        assert found is not None
        reached, run = found[1]["reached"], json.loads((path.parent / BEGUN).read_text())
        model, plan = NETWORKS[network](), read_plan(path.parent / PLAN)
        small = build_structure(model, plan)
        small.load_state_dict(pick(found[0], "student."))
        after, before = accuracy(small, test), accuracy(model, test)
        note = f"after {reached['epoch']} of its last {found[1]['epochs']} epochs"
        history = [*run["history"], *scored_by_loss(reached["history"])]
        counted = keep(model, small.eval(), plan, network, run["times"], run["seed"], history, note)
        rows.append(
            {
                **run,
                "cut_short": note,
                **counted,
                "steps_an_epoch": found[1]["length"],
                "rate": found[1]["rate"],
                "before": before,
                "after": after,
                "change": round(after - before, 2),
                "history": history,
            }
        )
    return rows


def summarise(network: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread of the change, by budget and epochs, beside the budget's goal."""
    table: dict[str, Any] = {}
    for times in sorted({row["times"] for row in rows}, key=float):
        mine = [row for row in rows if row["times"] == times]
        goal = GOALS[network].get(times)
        table[times] = {
            "goal": goal,
            "published": PUBLISHED[network].get(times),
            "after_epochs": {
                how: judged([row["change"] for row in mine if schedule(row) == how], goal)
                for how in dict.fromkeys(schedule(row) for row in mine)
            },
        }
    return table


def judged(changes: Sequence[float], goal: float | None) -> dict[str, Any]:
    """One number a seed, in points, against the goal."""
    mean = statistics.mean(changes)
    spread = round(statistics.stdev(changes), 3) if len(changes) > 1 else None
    kept = None if goal is None else mean >= goal
    return {"mean_change": round(mean, 3), "spread": spread, "runs": len(changes), "kept": kept}


def named(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a run that run."""
    return float(row["times"]), row["seed"], row["epochs"], schedule(row)


def write_results(network: str, test: list[Any]) -> None:
    """The runs finished here, those that an earlier file tells of, and those cut short."""
    path, earlier = results_file(network), written_runs(network)
    done = WORK.glob(f"{network}-*/*/row.json")
    here = [json.loads(row.read_text()) for row in done]
    rows = sorted({named(row): row for row in (*earlier, *here)}.values(), key=named)
    found = {
        "summary": summarise(network, rows),
        "runs": rows,
        "cut_short": cut_short(network, test),
        "torch": torch.__version__,
    }
    write_json(path, found)
    draw_recovery(path)
    for row in (*rows, *found["cut_short"]):
        print({k: v for k, v in row.items() if k != "history"})
    print(json.dumps(found["summary"], indent=1))
