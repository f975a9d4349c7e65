"""One process against two, a thread each: the same plan and weights, and what it saves in time.

    python -m benchmarks.claims.distributed [--repeats 3]

The embedded network: curves and measured damages of a plan, the rebuild, and an epoch of
fine-tuning on a part of its training images with BatchNorm frozen. The epoch runs once more in
double precision, where rounding cannot explain a difference. Runs alternate and the least time of
each counts, which a busy machine disturbs least; the load is written down beside it.
Writes ``distributed.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.result_files import write_json

ROOT = Path(__file__).parents[2]
WORKER = "benchmarks.claims._distributed_worker"
STAGES = ("curves", "measure", "rebuild", "fine-tuning")
QUICK = {"network": "tiny-grey", "budget": "params=0.5", "images": 100, "repeats": 1}


def start(processes: int, arguments: argparse.Namespace, cache: str) -> dict[str, Any]:
    """Run the job with so many processes; synthetic inputs come from the cache."""
    launch = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
    command = [sys.executable, "-m", *(launch if processes > 1 else []), WORKER]
    job = [arguments.network, arguments.budget, str(arguments.images)]
    env = {**os.environ, "TENFOLD_CACHE": cache, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, folder, *job], check=True, env=env, cwd=ROOT)
        outcome = json.loads((Path(folder) / "outcome.json").read_text())
        return {**outcome, "weights": load_file(Path(folder) / "weights.safetensors")}


def largest_differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, float]:
    """Between the weights of two runs, by precision."""
    return {
        precision: max(
            float((one[name] - weight).abs().max())
            for name, weight in two.items()
            if name.startswith(precision)
        )
        for precision in ("single", "double")
    }


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=("demo", "tiny-grey"), default="demo")
    parser.add_argument("--budget", default="params=0.2")
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--repeats", type=int, default=3)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Alternate, compare, write."""
    arguments = arguments_of(argv)
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    loads = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(arguments.repeats):
            for processes, outcomes in runs.items():
                loads.append(os.getloadavg()[0])
                outcomes.append(start(processes, arguments, cache))
    one, two = runs[1][0], runs[2][0]
    least = {
        count: {stage: min(run["seconds"][stage] for run in outcomes) for stage in STAGES}
        for count, outcomes in runs.items()
    }
    result = {
        "same_plan": one["plan"] == two["plan"],
        "largest_difference_of_weights": largest_differences(one["weights"], two["weights"]),
        "seconds": {f"{count} process(es)": times for count, times in least.items()},
        "speed_up": {stage: round(least[1][stage] / least[2][stage], 2) for stage in STAGES},
        "cores": os.cpu_count(),
        "load_before_each": loads,
        "torch": torch.__version__,
        "all_seconds": {str(n): [run["seconds"] for run in some] for n, some in runs.items()},
    }
    write_json(arguments.results / "distributed.json", result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
