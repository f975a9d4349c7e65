"""Every search method at 2x to 5x fewer parameters: no data, no fine-tuning.

    TENFOLD_DATA=folder python benchmarks/data_free.py [--network resnet20|demo|compact]

All methods share one set of curves and damages, so only the search differs. ``alone`` is what
the decomposition gives; ``lost`` is after ``refine="layers"``, the default. The row ``frobenius``
is the continuous search on plain Frobenius curves, nothing sensed and nothing refined; the row
``end-to-end`` is the public call with ``refine="end-to-end"``, timed as a whole. Settings were
chosen on 2,500 to 10,000 training images (``--split held`` looks at 2,500); the test images are
looked at here only. ``--rows`` runs some rows anew and leaves the others.
Writes ``results/data_free_<network>.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from tenfold.build.rebuild import rebuild
from tenfold.build.reconstruct import reconstruct
from tenfold.curves import measure_damages
from tenfold.curves.trace import Curve, plain_damage, trace_curves
from tenfold.machine.progress import Clock
from tenfold.pipeline.realise import fitted_on
from tenfold.search import METHODS, search
from tenfold.search.budget import resolve_budget
from tenfold.sense import Sensed, sense
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey
from tenfold.training.score import accuracy
from tenfold.values import Plan, Survey
from written import RESULTS, write_json

ROWS = ("frobenius", *METHODS, "end-to-end")
TIMES = {"resnet20": (2, 3, 4, 5), "demo": (2, 3, 4, 5), "compact": (1.3, 1.5, 2, 3, 4, 6)}


def network(name: str, split: str) -> tuple[nn.Module, Any, list[Any]]:
    """Model, example and the batches to judge by; ``split`` is ``"test"`` or ``"held"``."""
    if name == "demo":
        from tenfold.demo.data import held_batches
        from tenfold.demo.network import example, load_network

        return load_network(), example(), held_batches()
    import cifar
    from compact import load_compact

    model = load_compact() if name == "compact" else cifar.resnet20()
    return model, cifar.example(), cifar.shown(split, 2500)


def rows(
    model: nn.Module,
    found: Survey,
    batches: Sequence[Any],
    base: float,
    method: str,
    curves: Sequence[Curve],
    damages: Sequence[Tensor],
    sensed: Sensed,
    budgets: Sequence[float],
) -> dict[str, Any]:
    """Points lost, gap and seconds of one method at every budget."""
    lost: dict[str, Any] = {}
    for times in budgets:
        limits = resolve_budget({"params": 1 / times}, found.totals)
        began = time.perf_counter()
        plan = search(found, curves, damages, limits, settings=PlanSettings(method=method))
        seconds = time.perf_counter() - began
        built = rebuild(model, plan, sensed.metrics)
        alone = round(base - accuracy(built, batches), 2)
        if sensed.batches:
            built = reconstruct(model, built, plan, fitted_on(sensed), sensed.metrics)
        lost[f"{times:g}x"] = {
            "lost": round(base - accuracy(built, batches), 2),
            "alone": alone,
            "params": sum(p.numel() for p in built.parameters()),
            "gap": plan.gap,
            "threads": torch.get_num_threads(),
            "search_seconds": round(seconds, 2),
            "layers": spread(plan),
        }
        print(method, times, lost[f"{times:g}x"], flush=True)
    return lost


def together(
    model: nn.Module, example: Any, batches: Sequence[Any], base: float, budgets: Sequence[float]
) -> dict[str, Any]:
    """Points lost and seconds of the whole data-free run, nothing taken from a cache."""
    os.environ["TENFOLD_CACHE"] = ""
    lost: dict[str, Any] = {}
    for times in budgets:
        began = time.perf_counter()
        result = tenfold.compress(model, example, {"params": 1 / times}, refine="end-to-end")
        seconds = time.perf_counter() - began
        lost[f"{times:g}x"] = {
            "lost": round(base - accuracy(result.model, batches), 2),
            "params": int(result.report.after["params"]),
            "seconds": round(seconds, 1),
            "threads": torch.get_num_threads(),
            "gap": result.plan.gap,
            "layers": spread(result.plan),
        }
        print("end-to-end", times, lost[f"{times:g}x"], flush=True)
    return lost


def spread(plan: Plan) -> int:
    """How many layers carry 90 % of the parameters that the plan cuts."""
    cuts = sorted((c.before["params"] - c.costs["params"] for c in plan.choices), reverse=True)
    carried = [sum(cuts[: k + 1]) for k in range(len(cuts))]
    return 1 + sum(c < 0.9 * carried[-1] for c in carried)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=tuple(TIMES), default="resnet20")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--split", choices=("test", "held"), default="test")
    parser.add_argument("--times", nargs="+", type=float)
    args = parser.parse_args()
    torch.manual_seed(0)
    model, example, batches = network(args.network, args.split)
    base = accuracy(model, batches)
    found = survey(model, example)
    budgets = args.times or TIMES[args.network]
    if "frobenius" in args.rows:
        plain = trace_curves(model, found)
        flat = [plain_damage(curve) for curve in plain]
        row = rows(model, found, batches, base, "continuous", plain, flat, Sensed(), budgets)
        write(args, base, "frobenius", row)
    methods = [method for method in args.rows if method in METHODS]
    if methods:
        sensed, curves, damages, seconds = prepare(model, found, example)
        for method in methods:
            row = rows(model, found, batches, base, method, curves, damages, sensed, budgets)
            write(args, base, method, row, seconds)
    if "end-to-end" in args.rows:
        write(args, base, "end-to-end", together(model, example, batches, base, budgets))


def prepare(
    model: nn.Module, found: Survey, example: Any
) -> tuple[Sensed, Sequence[Curve], Sequence[Tensor], dict[str, float]]:
    """What all methods search on, and the seconds of each stage."""
    clock = Clock()
    sensed = sense(model, found, example)
    clock.lap("sense")
    curves = trace_curves(model, found, sensed.metrics)
    clock.lap("curves")
    damages = measure_damages(model, curves, sensed.batches[0])
    clock.lap("measure")
    return sensed, curves, damages, clock.laps


def write(
    args: argparse.Namespace,
    base: float,
    name: str,
    row: dict[str, Any],
    seconds: dict[str, float] | None = None,
) -> None:
    """A row beside those of other calls; only rows on test images are results."""
    print(f"{name:12}", *(f"{at} {x['lost']:6.2f}" for at, x in row.items()), sep="   ", flush=True)
    if args.split != "test":
        return
    out = RESULTS / f"data_free_{args.network}.json"
    kept = json.loads(out.read_text()) if out.exists() else {"lost": {}}
    result = {
        "command": f"python benchmarks/data_free.py --network {args.network}",
        "base": base,
        "lost": {**kept["lost"], name: {**kept["lost"].get(name, {}), **row}},
        "seconds": seconds or kept.get("seconds", {}),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    write_json(out, result)


if __name__ == "__main__":
    main()
