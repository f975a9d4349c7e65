"""Faster on the clock: five networks, before and after, in every CPU engine that is installed.

    python benchmarks/latency.py [--only resnet18] [--seconds 4]

One thread, batch 1, interleaved runs. Weights other than the demo network's are random, for
structure is all a clock sees, so plans are made in plain Frobenius. ``faster`` is the ratio of the
medians, ``at work`` that of the time in which the process had a processor, which a busy machine
disturbs less; ``share`` is the latter over times fewer MACs; ``wide`` the same over the replaced
layers of 64 and more channels, each alone less what calling the engine costs.
Engines: pip install onnxruntime onnx onnxscript executorch openvino.
Writes ``results/latency.json``; one network a time can be run anew with ``--only``.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import networks
import tenfold
from tenfold.bench import Cell, compare, time_layers
from tenfold.machine.conditions import processor
from tenfold.runtimes import ENGINES
from written import write_json

RESULTS = Path(__file__).parent / "results" / "latency.json"
WANTED = ("eager", "eager-nchw", "onnxruntime", "executorch", "openvino")
LAYERS = ("eager", "onnxruntime", "executorch", "openvino")  # that time layers alone
FEW = ("svd", "svd-in", "spatial", "tucker")  # CP of large random layers takes minutes
WIDE = 64
SHARE = 0.85


@dataclass(frozen=True)
class Case:
    """A network, what may be kept of it, the formats, and what is promised of ONNX Runtime."""

    network: str
    budget: str
    formats: tuple[str, ...] = FEW
    faster: float | None = None  # times, in the best engine or the one named
    engine: str | None = None
    round_to: int | None = 16  # None: what a latency asks for


DEMO = ("svd", "svd-in", "spatial", "tucker", "tt", "cp")
CASES = {
    "demo, 5.2x fewer parameters": Case(
        "demo", "params=0.19,latency=0.275@onnxruntime", DEMO, 3.5, "onnxruntime", None
    ),
    "demo, 0.3 of the time": Case(
        "demo", "latency=0.3@onnxruntime", DEMO, 1 / 0.3, "onnxruntime", None
    ),
    "resnet18, 2.2x fewer MACs": Case("resnet18", f"macs={1 / 2.2:.4f}", FEW, 1.8),
    "vgg16, 3x fewer MACs": Case("vgg16", "macs=0.333"),
    "vgg16, with a latency": Case(
        "vgg16", "macs=0.333,latency=0.45@onnxruntime", FEW, None, None, None
    ),
    "vgg16, 2x fewer MACs": Case("vgg16", "macs=0.5"),
    "vgg16, no Tucker": Case("vgg16", "macs=0.333", ("spatial", "svd", "svd-in")),
    "separable, 1.5x fewer MACs": Case("separable", "macs=0.667"),
    "vit, 2x fewer MACs": Case("vit", "macs=0.5"),
}


def main() -> None:
    """Run the cases, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="cases whose name starts so")
    parser.add_argument("--seconds", type=float, default=4.0, help="at most, an engine and case")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    absent = {name: ENGINES[name].unavailable() for name in WANTED}
    for name, missing in absent.items():
        if missing:
            print(f"{name} is left out: {missing}")
    engines = tuple(name for name in WANTED if not absent[name])
    kept = json.loads(RESULTS.read_text())["cases"] if asked.only and RESULTS.exists() else {}
    for name, case in CASES.items():
        if not asked.only or name.startswith(asked.only):
            kept[name] = run_case(name, case, engines, asked.seconds)
            write(kept, engines)


def run_case(name: str, case: Case, engines: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Compress, time, print and hand back one case."""
    began = time.perf_counter()
    model, example = networks.make(case.network)
    result = tenfold.compress(
        model,
        example,
        case.budget,
        formats=case.formats,
        round_to=case.round_to,
        metric="frobenius",
    )
    planned = time.perf_counter() - began
    models = {"before": model, "after": result.model}
    cells = compare(models, example, engines=engines, runs=60, seconds=seconds)
    fewer = {cost: result.report.times_smaller(cost) for cost in ("params", "macs")}
    rows = {cell.engine: row(cell, fewer["macs"]) for cell in cells}
    wide, macs = wide_layers(result.plan, model)
    for engine in LAYERS:
        if engine in rows and wide:
            rows[engine]["wide_share"] = wide_share(models, example, wide, engine) / macs
    best = max(rows, key=lambda engine: rows[engine]["work_times_faster"])
    found = {
        "budget": case.budget,
        "formats": case.formats,
        "times_fewer": fewer,
        "wide_times_fewer_macs": macs,
        "engines": rows,
        "best_engine": best,
        "latency": dict(result.report.measured),
        "goals": goals(case, rows, best, result),
        "seconds": {"compress": planned, "all": time.perf_counter() - began},
    }
    show(name, found)
    return found


def row(cell: Cell, fewer: float) -> dict[str, Any]:
    """One engine: milliseconds, ratios and sizes."""
    before, after = cell.models["before"], cell.models["after"]
    work = cell.busy_ratio()
    return {
        "version": cell.version,
        "before_ms": asdict(before.timing),
        "after_ms": asdict(after.timing),
        "times_faster": cell.ratio(),
        "work_times_faster": work,
        "share": work / fewer,
        "bytes": [before.bytes, after.bytes],
        "memory": [before.memory, after.memory],
        "difference": max(before.difference, after.difference),
    }


def wide_layers(plan: tenfold.Plan, model: nn.Module) -> tuple[tuple[str, ...], float]:
    """Replaced layers of at least 64 channels on both sides, and how many times fewer MACs
    they have together."""
    chosen = [
        c
        for c in plan.choices
        if c.format != "dense" and min(model.get_submodule(c.site).weight.shape[:2]) >= WIDE
    ]
    before = sum(c.before["macs"] for c in chosen)
    after = sum(c.costs["macs"] for c in chosen)
    return tuple(c.site for c in chosen), before / max(after, 1)


def wide_share(
    models: Mapping[str, Any], example: Any, names: tuple[str, ...], engine: str
) -> float:
    """How many times faster the named layers are together, each timed alone; what an engine
    takes to be called at all is taken off, as a network is called once."""
    call = time_layers(
        {"": nn.Sequential(nn.Linear(1, 1))}, torch.zeros(1, 1), ("0",), engine=engine
    )
    found = time_layers(models, example, names, engine=engine)
    before, after = (
        sum(x.timings[k].busy - call[0].timings[""].busy for x in found)
        for k in ("before", "after")
    )
    return before / after


def goals(case: Case, rows: Mapping[str, Any], best: str, result: tenfold.Result) -> dict[str, Any]:
    """What was promised, what was found, and whether it was kept."""
    shares = {name: x["wide_share"] for name, x in rows.items() if "wide_share" in x}
    made = {}
    if shares:
        made["wide share"] = (max(shares.values()), SHARE)
    if case.faster is not None and (case.engine or best) in rows:
        made["times faster"] = (rows[case.engine or best]["work_times_faster"], case.faster)
    told = {
        name: {"found": found, "promised": wanted, "kept": found >= wanted}
        for name, (found, wanted) in made.items()
    }
    for limit in result.report.limits:
        if limit.cost == "latency" and limit.reached is not None:
            kept = limit.reached <= limit.limit
            told["latency limit, ms"] = {
                "found": limit.reached,
                "promised": limit.limit,
                "predicted": limit.predicted,
                "kept": kept,
            }
    return told


def show(name: str, found: Mapping[str, Any]) -> None:
    """A block a case."""
    fewer = found["times_fewer"]
    print(f"\n{name}: {fewer['params']:.2f}x fewer parameters, {fewer['macs']:.2f}x fewer MACs")
    heads = ("before", "after", "faster", "at work", "share", "wide")
    print(f"  {'engine':<12}" + "".join(f"{x:>{w}}" for x, w in zip(heads, (9, 9, 8, 9, 7, 7))))
    for engine, x in found["engines"].items():
        wide = f"{x['wide_share']:.2f}" if "wide_share" in x else ""
        print(
            f"  {engine:<12}{x['before_ms']['median']:>9.3f}{x['after_ms']['median']:>9.3f}"
            f"{x['times_faster']:>7.2f}x{x['work_times_faster']:>8.2f}x{x['share']:>7.2f}"
            f"{wide:>7}"
        )
    for goal, x in found["goals"].items():
        verdict = "kept  " if x["kept"] else "missed"
        print(f"  {verdict} {goal}: {x['found']:.3f} (promised {x['promised']:.3f})")
    print(f"  {found['seconds']['all']:.0f} s", flush=True)


def write(cases: Mapping[str, Any], engines: tuple[str, ...]) -> None:
    """All cases so far, and what they were measured on."""
    body = {
        "conditions": {
            "processor": processor(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": 1,
            "batch": 1,
            "engines": {name: ENGINES[name].version() for name in engines},
        },
        "cases": cases,
    }
    write_json(RESULTS, body)


if __name__ == "__main__":
    main()
