"""Faster on the clock: five networks, before and after, in every CPU engine that is installed.

    python -m benchmarks.claims.latency [--only resnet18] [--seconds 4]

One thread, batch 1, interleaved runs. Weights other than the demo network's are random, for
structure is all a clock sees, so plans are made in plain Frobenius. ``faster`` is the ratio of the
medians, ``at work`` that of the time in which the process had a processor, which a busy machine
disturbs less; ``share`` is the latter over times fewer MACs; ``wide`` the same over the replaced
layers of 64 and more channels, each alone less what calling the engine costs.
Engines: pip install onnxruntime onnx onnxscript executorch openvino.
Writes ``latency.json``; ``--only`` runs some networks anew and leaves the others.
"""

from __future__ import annotations

import argparse
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.claims._latency_cases import Case, cases_named, goals, show
from benchmarks.claims._wide_layers import wide_layers, wide_share
from benchmarks.networks import timed
from benchmarks.result_files import read_json, write_json
from tenfold.bench import Cell, compare
from tenfold.machine.timing import processor
from tenfold.runtimes import ENGINES

WANTED = ("eager", "eager-nchw", "onnxruntime", "executorch", "openvino")
LAYERS = ("eager", "onnxruntime", "executorch", "openvino")  # that time layers alone
QUICK = {"only": "tiny", "seconds": 0.1, "engines": ("eager",)}


def run_case(case: Case, engines: Sequence[str], seconds: float) -> dict[str, Any]:
    """Compress and time one case."""
    began = time.perf_counter()
    model, example = timed.make(case.network)
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
    cells = compare(models, example, engines=tuple(engines), runs=60, seconds=seconds)
    fewer = {cost: result.report.times_smaller(cost) for cost in ("params", "macs")}
    rows = {cell.engine: row_of(cell, fewer["macs"]) for cell in cells}
    wide, macs = wide_layers(result.plan, model)
    for engine in LAYERS:
        if engine in rows and wide:
            rows[engine]["wide_share"] = wide_share(models, example, wide, engine) / macs
    best = max(rows, key=lambda engine: rows[engine]["work_times_faster"])
    return {
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


def row_of(cell: Cell, fewer: float) -> dict[str, Any]:
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


def installed(names: Sequence[str]) -> list[str]:
    """The engines that can run here; says which are left out and why."""
    absent = {name: ENGINES[name].unavailable() for name in names}
    for name, reason in absent.items():
        if reason:
            print(f"{name} is left out: {reason}")
    return [name for name in names if not absent[name]]


def conditions(engines: Sequence[str]) -> dict[str, Any]:
    """What the cases were measured on."""
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": 1,
        "batch": 1,
        "engines": {name: ENGINES[name].version() for name in engines},
    }


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--only", help="cases whose name starts so")
    parser.add_argument("--engines", nargs="+", default=WANTED)
    parser.add_argument("--seconds", type=float, default=4.0, help="at most, an engine and case")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the cases, print a table, write the JSON after each."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    engines, path = installed(arguments.engines), arguments.results / "latency.json"
    outcomes: dict[str, Mapping[str, Any]] = {}
    if arguments.only:
        outcomes |= read_json(path).get("cases", {})
    for name, case in cases_named(arguments.only).items():
        outcomes[name] = run_case(case, engines, arguments.seconds)
        show(name, outcomes[name])
        write_json(path, {"conditions": conditions(engines), "cases": outcomes})


if __name__ == "__main__":
    main()
