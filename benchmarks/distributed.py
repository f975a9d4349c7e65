"""One process against two, a thread each: the same plan and weights, and what it saves in time.

    python benchmarks/distributed.py [--repeats 3]

The embedded network: curves and measured damages of a plan, the rebuild, and an epoch of
fine-tuning on a part of its training images with BatchNorm frozen, which is done once more in
double precision, where rounding cannot be what is different. Runs alternate, the least time
of each is kept, which is what a busy machine disturbs least; the load is written down beside it.
Writes ``results/distributed.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

import tenfold
from tenfold.demo.data import Shuffled, read_split
from tenfold.demo.network import example, load_network
from tenfold.machine.processes import on_first_process, world
from tenfold.training import TuneSettings, tune
from written import RESULTS, write_json

IMAGES = 1600
SETTINGS = TuneSettings(epochs=1, batchnorm="frozen", reestimate=0)
STAGES = ("curves", "measure", "rebuild", "fine-tuning")


def work(folder: Path) -> None:
    """What every process does."""
    torch.set_num_threads(1)
    network = load_network()
    plan = tenfold.plan(network, example(), "params=0.2")
    seconds = {stage: plan.seconds[stage] for stage in ("curves", "measure")}
    began = time.perf_counter()
    built = tenfold.apply(plan, network)
    seconds["rebuild"] = time.perf_counter() - began
    images, labels = (part[:IMAGES] for part in read_split("train"))
    on_first_process(lambda: None)  # begin together
    began = time.perf_counter()
    tuned = tune(built, network, Shuffled(images, labels), settings=SETTINGS)
    seconds["fine-tuning"] = time.perf_counter() - began
    exact = tune(
        built.double(), network.double(), Shuffled(images.double(), labels), settings=SETTINGS
    )
    if world().first:
        found = {"single": tuned.model, "double": exact.model}
        weights = {
            f"{precision}.{key}": value.contiguous()
            for precision, model in found.items()
            for key, value in model.state_dict().items()
        }
        save_file(weights, folder / "weights.safetensors")
        told = tenfold.plan_to_json(replace(plan, seconds={}))
        (folder / "told.json").write_text(json.dumps({"plan": told, "seconds": seconds}))


def run(processes: int, cache: str) -> dict[str, Any]:
    """One start of so many processes; synthetic inputs come from the cache."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    launch = launch if processes > 1 else []
    env = {**os.environ, "TENFOLD_CACHE": cache, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, *launch, __file__, "--folder", folder], check=True, env=env)
        told = json.loads((Path(folder) / "told.json").read_text())
        return {**told, "weights": load_file(Path(folder) / "weights.safetensors")}


def main() -> None:
    """Alternate, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder")
    arguments = parser.parse_args()
    if arguments.folder:
        work(Path(arguments.folder))
        return
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    loads = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(arguments.repeats):
            for processes, found in runs.items():
                loads.append(os.getloadavg()[0])
                found.append(run(processes, cache))
    one, two = runs[1][0], runs[2][0]
    least = {
        count: {stage: min(r["seconds"][stage] for r in found) for stage in STAGES}
        for count, found in runs.items()
    }
    apart = {
        precision: max(
            float((one["weights"][k] - v).abs().max())
            for k, v in two["weights"].items()
            if k.startswith(precision)
        )
        for precision in ("single", "double")
    }
    told = {
        "same_plan": one["plan"] == two["plan"],
        "largest_difference_of_weights": apart,
        "seconds": {f"{count} process(es)": times for count, times in least.items()},
        "speed_up": {s: round(least[1][s] / least[2][s], 2) for s in STAGES},
        "cores": os.cpu_count(),
        "load_before_each": loads,
        "torch": torch.__version__,
        "all_seconds": {str(c): [r["seconds"] for r in found] for c, found in runs.items()},
    }
    write_json(RESULTS / "distributed.json", told)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
