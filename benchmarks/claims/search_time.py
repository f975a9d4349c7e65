"""Seconds a stage of planning, wall and processor, and the peak memory of the process.

    python -m benchmarks.claims.search_time --network bottleneck|resnet20|demo

``bottleneck`` is a 50-layer network at 224 pixels with random weights; its plan is made in plain
Frobenius, as sensing at that size takes longer than all the rest (``--metric auto`` senses).
Writes ``search_time_<network>_<metric>.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks import bottleneck
from benchmarks.networks.subjects import load_subject
from benchmarks.result_files import write_json
from tenfold.curves import measure_damages
from tenfold.curves.trace import plain_damage, trace_curves
from tenfold.search import search
from tenfold.search.budget import resolve_budget
from tenfold.sense import sense
from tenfold.survey.stage import survey
from tenfold.values import Plan, Survey

A = TypeVar("A")
NETWORKS = ("bottleneck", "resnet20", "demo", "tiny")
QUICK = {"network": "tiny"}


@dataclass(frozen=True)
class Stopwatch:
    """Seconds of the stages so far, by name."""

    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[[], A]) -> A:
        """Do the work, and write down and print how long it takes."""
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        self.seconds[stage] = {
            "wall": round(time.perf_counter() - wall, 2),
            "processor": round(time.process_time() - processor, 2),
        }
        print(stage, self.seconds[stage], flush=True)
        return result

    def total(self) -> dict[str, float]:
        """The sums over all stages."""
        stages = self.seconds.values()
        return {kind: round(sum(s[kind] for s in stages), 2) for kind in ("wall", "processor")}


def load(name: str) -> tuple[nn.Module, Any]:
    """Model and example."""
    if name == "bottleneck":
        return bottleneck.bottleneck(), bottleneck.example()
    subject = load_subject(name)
    return subject.model, subject.example


def plan_in_stages(
    model: nn.Module, example: Any, metric: str, times: float, watch: Stopwatch
) -> tuple[Survey, Plan]:
    """What ``tenfold.plan`` does, every stage timed."""
    sites = watch.time("survey", lambda: survey(model, example))
    sensed = watch.time("sense", lambda: sense(model, sites, example, metric=metric))
    curves = watch.time("curves", lambda: trace_curves(model, sites, sensed.metrics))
    if sensed.batches:
        apart = sensed.apart
        damages = watch.time("measure", lambda: measure_damages(model, curves, apart))
    else:
        damages = [plain_damage(curve) for curve in curves]
    limits = resolve_budget({"params": 1 / times}, sites.totals)
    return sites, watch.time("search", lambda: search(sites, curves, damages, limits))


def peak() -> float:
    """Largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="bottleneck")
    parser.add_argument("--metric", choices=("frobenius", "auto"), default="frobenius")
    parser.add_argument("--times", type=float, default=3.0)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Plan stage by stage, print, write."""
    arguments = arguments_of(argv)
    network, metric = arguments.network, arguments.metric
    os.environ["TENFOLD_CACHE"] = ""  # every stage does its work
    model, example = load(network)
    before, watch = peak(), Stopwatch()
    sites, plan = plan_in_stages(model, example, metric, arguments.times, watch)
    result = {
        "command": f"python -m benchmarks.claims.search_time --network {network} --metric {metric}",
        "sites": len(sites.sites),
        "params": sites.totals["params"],
        "kept": plan.predicted["params"],
        "gap": plan.gap,
        "seconds": watch.seconds,
        "total": watch.total(),
        "peak_mb": {"model": round(before), "planning": round(peak())},
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
    }
    print(json.dumps(result))
    write_json(arguments.results / f"search_time_{network}_{metric}.json", result)


if __name__ == "__main__":
    main()
