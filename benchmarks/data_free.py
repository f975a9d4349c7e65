"""Every search method at 2x to 5x fewer parameters: no data, no fine-tuning.

    TENFOLD_DATA=folder python benchmarks/data_free.py [--network resnet20|demo|compact]

All methods share one set of curves and damages, so only the search differs. ``alone`` is what
the decomposition gives; ``lost`` is after ``refine="layers"``, the default. The row ``frobenius``
is the continuous search on plain Frobenius curves, nothing sensed and nothing refined; the row
``end-to-end`` is the public call with ``refine="end-to-end"``, timed as a whole. Settings were
chosen on 2,500 training images (``--split held`` looks at those); the test images are looked at
here only. Writes ``results/data_free_<network>.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from tenfold.budget import resolve_budget
from tenfold.curves import Curve, plain_damage, trace_curves
from tenfold.rebuild import rebuild
from tenfold.reconstruct import reconstruct
from tenfold.search import METHODS, search
from tenfold.sense import Sensed, measure_damages, sense
from tenfold.survey import survey
from tenfold.tune.score import accuracy
from tenfold.values import Plan, Survey

RESULTS = Path(__file__).parent / "results"
TIMES = {"resnet20": (2, 3, 4, 5), "demo": (2, 3, 4, 5), "compact": (1.3, 1.5, 2, 3, 4, 6)}


def network(name: str, split: str) -> tuple[nn.Module, Any, list[Any]]:
    """Model, example and the batches to judge by; ``split`` is ``"test"`` or ``"held"``."""
    if name == "demo":
        from tenfold.demo.data import held_batches
        from tenfold.demo.network import example, load_network

        return load_network(), example(), held_batches()
    import cifar
    from compact import load_compact

    data = cifar.read_cifar()
    model = load_compact() if name == "compact" else cifar.resnet20()
    held, _ = cifar.split_indices()
    shown = (
        (data["test_x"], data["test_y"])
        if split == "test"
        else (data["train_x"][held], data["train_y"][held])
    )
    return model, cifar.example(), cifar.batches(*shown)


def rows(
    model: nn.Module, found: Survey, batches: Sequence[Any], base: float, method: str,
    curves: Sequence[Curve], damages: Sequence[Tensor], sensed: Sensed, budgets: Sequence[float],
) -> dict[str, Any]:  # fmt: skip
    """Points lost, gap and seconds of one method at every budget."""
    lost: dict[str, Any] = {}
    for times in budgets:
        limits = resolve_budget({"params": 1 / times}, found.totals)
        began = time.perf_counter()
        plan = search(found, curves, damages, limits, method=method)
        seconds = time.perf_counter() - began
        built = rebuild(model, plan, sensed.metrics)
        alone = round(base - accuracy(built, batches), 2)
        if sensed.batches:
            built = reconstruct(model, built, plan, sensed.batches, sensed.metrics)
        lost[f"{times}x"] = {
            "lost": round(base - accuracy(built, batches), 2), "alone": alone,
            "params": sum(p.numel() for p in built.parameters()), "gap": plan.gap,
            "search_seconds": round(seconds, 2), "layers": spread(plan),
        }  # fmt: skip
        print(method, times, lost[f"{times}x"], flush=True)
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
        lost[f"{times}x"] = {
            "lost": round(base - accuracy(result.model, batches), 2),
            "params": int(result.report.after["params"]), "seconds": round(seconds, 1),
            "gap": result.plan.gap, "layers": spread(result.plan),
        }  # fmt: skip
        print("end-to-end", times, lost[f"{times}x"], flush=True)
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
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    parser.add_argument("--split", choices=("test", "held"), default="test")
    parser.add_argument("--times", nargs="+", type=float)
    args = parser.parse_args()
    name = args.network
    torch.manual_seed(0)
    model, example, batches = network(name, args.split)
    base = accuracy(model, batches)
    found = survey(model, example)
    table: dict[str, Any] = {}
    budgets = args.times or TIMES[name]
    seconds: dict[str, float] = {}

    plain = trace_curves(model, found)
    flat = [plain_damage(curve) for curve in plain]
    table["frobenius"] = rows(
        model, found, batches, base, "continuous", plain, flat, Sensed(), budgets
    )

    began = time.perf_counter()
    sensed = sense(model, found, example)
    seconds["sense"] = time.perf_counter() - began
    began = time.perf_counter()
    curves = trace_curves(model, found, sensed.metrics)
    seconds["curves"] = time.perf_counter() - began
    began = time.perf_counter()
    damages = measure_damages(model, curves, sensed.batches[0])
    seconds["measure"] = time.perf_counter() - began
    for method in args.methods:
        table[method] = rows(model, found, batches, base, method, curves, damages, sensed, budgets)
        write(args, base, table, seconds)
    table["end-to-end"] = together(model, example, batches, base, budgets)
    write(args, base, table, seconds)
    images = sum(len(y) for _, y in batches)
    print(f"{name}: {base:.2f} % on {images} {args.split} images; points lost at")
    for method, entry in table.items():
        print(f"{method:12}", *(f"{at} {x['lost']:6.2f}" for at, x in entry.items()), sep="   ")


def write(
    args: argparse.Namespace, base: float, table: dict[str, Any], seconds: dict[str, float]
) -> None:
    """All rows so far; only those on test images are results."""
    if args.split != "test":
        return
    result = {
        "command": f"python benchmarks/data_free.py --network {args.network}", "base": base,
        "lost": table, "seconds": seconds, "torch": torch.__version__,
        "threads": torch.get_num_threads(), "machine": platform.machine(),
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    part = RESULTS / f"data_free_{args.network}.json.part"
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(RESULTS / f"data_free_{args.network}.json")


if __name__ == "__main__":
    main()
