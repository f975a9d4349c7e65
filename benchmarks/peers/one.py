"""One tool on one network under one budget, in the tool's own environment.

    python -m benchmarks.peers.one --peer tensorly --network demo --cost params --out row.json

Every tool's network is counted, judged, trained and timed by the same lines below. Writes one row.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.peers.budget import Budget, count
from benchmarks.peers.cases import SHARES, Case, load_case
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.sentences import last_line
from benchmarks.peers.train import distil
from benchmarks.result_files import write_json
from tenfold.bench import compare

RUNS, SECONDS = 100, 20.0  # of a latency
MEMORY = 8 << 30  # bytes that a row may take: some decompositions ask for all there is


def row_of(method: str, case: Case, cost: str, steps: int) -> dict[str, Any]:
    """Quality as it comes from the tool, its size, what it took; then latency and training."""
    budget = Budget.of(case.model, case.example, cost, case.shares[cost])
    torch.manual_seed(0)
    began = time.process_time()
    tool = importlib.import_module(f"benchmarks.peers.methods.{method}")
    shrunk = tool.shrink(case, budget)
    spent = time.process_time() - began
    model = shrunk.model.eval()
    row = {
        "quality": quality(case, model),
        **{name: share(case, model, name) for name in ("params", "macs")},
        "cpu": round(spent, 1),
        "calls": shrunk.calls,
        "last": shrunk.last and round(shrunk.last, 2),
        "knob": shrunk.knob,
        **faster(case, model),
    }
    return row | (trained(case, model, steps) if steps and case.learn is not None else {})


def quality(case: Case, model: nn.Module) -> float:
    """By the network's own metric."""
    return round(float(case.outside.evaluate(model)), 2)


def share(case: Case, model: nn.Module, cost: str) -> float:
    """What is left of the cost."""
    counts = [count(network, case.example, cost) for network in (model, case.model)]
    return round(counts[0] / counts[1], 4)


def faster(case: Case, model: nn.Module) -> dict[str, Any]:
    """How many times faster in ONNX Runtime, both networks run in turn on one thread."""
    pair = {"before": case.model, "after": copy.deepcopy(model)}
    try:
        cells = compare(pair, case.example, engines=("onnxruntime",), runs=RUNS, seconds=SECONDS)
    except Exception as error:  # of somebody's layers: the other columns are still worth having
        return {"faster_failed": last_line(f"{type(error).__name__}: {error}")}
    cell = cells[0]
    return {"faster": round(cell.ratio(), 2), "faster_at_work": round(cell.busy_ratio(), 2)}


def trained(case: Case, model: nn.Module, steps: int) -> dict[str, Any]:
    """Quality after the same short training."""
    assert case.learn is not None
    began = time.process_time()
    try:
        distil(model, case.model, case.learn, steps)
    except Exception as error:
        return {"trained_failed": last_line(f"{type(error).__name__}: {error}")}
    spent = round(time.process_time() - began, 1)
    return {"trained": quality(case, model), "steps": steps, "training_cpu": spent}


def guarded(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row, or what stood in its way."""
    try:
        return make()
    except Exception as error:
        import traceback

        traceback.print_exc()
        return {"failed": last_line(f"{type(error).__name__}: {error}".replace("\n", " "))}


def main(argv: Sequence[str] | None = None) -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--network", choices=SHARES, required=True)
    parser.add_argument("--cost", choices=("params", "macs"), required=True)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(argv)
    os.environ["TENFOLD_CACHE"] = ""  # seconds of tenfold are those of a first run
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    row = guarded(
        lambda: row_of(PEERS[asked.peer].method, load_case(asked.network), asked.cost, asked.steps)
    )
    write_json(asked.out, row)
    print(row, file=sys.stderr)


if __name__ == "__main__":
    main()
