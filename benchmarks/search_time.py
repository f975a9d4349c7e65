"""Seconds a stage of planning, wall and processor, and the peak memory of the process.

    python benchmarks/search_time.py --network bottleneck|resnet20|demo [--metric frobenius|auto]

``bottleneck`` is a 50-layer network at 224 pixels with random weights; its plan is made in plain
Frobenius, as sensing at that size takes longer than all the rest. Writes
``results/search_time_<network>_<metric>.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from tenfold.curves import measure_damages
from tenfold.curves.trace import plain_damage, trace_curves
from tenfold.search import search
from tenfold.search.budget import resolve_budget
from tenfold.sense import sense
from tenfold.survey.stage import survey
from written import RESULTS, write_json

A = TypeVar("A")


def network(name: str) -> tuple[nn.Module, Any]:
    """Model and example."""
    if name == "bottleneck":
        import bottleneck

        return bottleneck.bottleneck(), bottleneck.example()
    if name == "demo":
        from tenfold.demo.network import example, load_network

        return load_network(), example()
    import cifar

    return cifar.resnet20(), cifar.example()


def main() -> None:
    """Plan stage by stage, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--network", choices=("bottleneck", "resnet20", "demo"), default="bottleneck"
    )
    parser.add_argument("--metric", choices=("frobenius", "auto"), default="frobenius")
    parser.add_argument("--times", type=float, default=3.0)
    args = parser.parse_args()
    os.environ["TENFOLD_CACHE"] = ""  # every stage does its work
    model, example = network(args.network)
    seconds: dict[str, dict[str, float]] = {}

    def timed(stage: str, work: Callable[[], A]) -> A:
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        seconds[stage] = {
            "wall": round(time.perf_counter() - wall, 2),
            "processor": round(time.process_time() - processor, 2),
        }
        print(stage, seconds[stage], flush=True)
        return result

    before = peak()
    found = timed("survey", lambda: survey(model, example))
    sensed = timed("sense", lambda: sense(model, found, example, metric=args.metric))
    curves = timed("curves", lambda: trace_curves(model, found, sensed.metrics))
    if sensed.batches:
        batch = sensed.batches[0]
        damages = timed("measure", lambda: measure_damages(model, curves, batch))
    else:
        damages = [plain_damage(curve) for curve in curves]
    limits = resolve_budget({"params": 1 / args.times}, found.totals)
    plan = timed("search", lambda: search(found, curves, damages, limits))
    total = {k: round(sum(s[k] for s in seconds.values()), 2) for k in ("wall", "processor")}
    result = {
        "command": f"python benchmarks/search_time.py --network {args.network} "
        f"--metric {args.metric}",
        "sites": len(found.sites),
        "params": found.totals["params"],
        "kept": plan.predicted["params"],
        "gap": plan.gap,
        "seconds": seconds,
        "total": total,
        "peak_mb": {"model": round(before), "planning": round(peak())},
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
    }
    print(json.dumps(result))
    out = RESULTS / f"search_time_{args.network}_{args.metric}.json"
    write_json(out, result)


def peak() -> float:
    """Largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
