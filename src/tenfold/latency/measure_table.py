"""Stand-alone: time the layers that `tenfold table` wrote, on the device they will run on.

Needs Python with onnxruntime and numpy, and nothing of tenfold:

    python measure_table.py FOLDER --threads 1 --out table.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime

TYPES = {
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def draw(shape: list[int], kind: str, most: int | None) -> Any:
    """Noise of the type that an input has; whole numbers up to ``most``, as indices have to be."""
    noise, dtype = np.random.default_rng(0), TYPES.get(kind, np.float32)
    if most is not None:
        return noise.integers(0, most + 1, shape).astype(dtype)
    return noise.standard_normal(shape).astype(dtype)


def load(
    path: str, shape: list[Any], threads: int, most: list[int | None] | None = None
) -> Callable[[], Any]:
    """A call that runs the model in a file on noise."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    shapes = shape if isinstance(shape[0], list) else [shape]
    most = most or [None] * len(shapes)
    feed = {x.name: draw(s, x.type, m) for x, s, m in zip(session.get_inputs(), shapes, most)}
    return lambda: session.run(None, feed)


def interleave(
    calls: Mapping[str, Callable[[], Any]], runs: int, warmup: int, seconds: float
) -> dict[str, float]:
    """Lower decile of milliseconds of each call, run in turn."""
    seen: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds
    for turn in range(runs + warmup):
        for name, run in calls.items():
            start = time.perf_counter()
            run()
            if turn >= warmup:
                seen[name].append(1e3 * (time.perf_counter() - start))
        if turn - warmup > 8 and time.perf_counter() > until:
            break
    return {
        name: statistics.quantiles(times, n=10, method="inclusive")[0]
        for name, times in seen.items()
    }


def measure(folder: str, threads: int, runs: int, seconds: float) -> dict[str, Any]:
    """The whole network beside its dense layers, then each layer's stand-ins beside it."""
    with open(os.path.join(folder, "units.json"), encoding="utf-8") as file:
        index = json.load(file)
    shapes = index["units"]

    def call(key: str) -> Callable[[], Any]:
        unit = shapes[key]
        return load(os.path.join(folder, unit["file"]), unit["input"], threads)

    net = index["whole"]
    whole = load(os.path.join(folder, net["file"]), net["input"], threads, net["most"])
    dense = {key: call(key) for key, unit in shapes.items() if unit["dense"] == key}
    times = interleave({"": whole, **dense}, runs, 3, 10 * seconds)
    total = times.pop("")
    for number, base in enumerate(dense):
        rest = [k for k, unit in shapes.items() if unit["dense"] == base and k != base]
        for start in range(0, len(rest), 6):
            group = [base, *rest[start : start + 6]]
            timings = interleave({key: call(key) for key in group}, runs, 3, seconds)
            for key in group[1:]:
                times[key] = times[base] * timings[key] / timings[base]
        print(f"{number + 1} of {len(dense)} layers", flush=True)  # noqa: T201 - a script
    return {"network": index["network"], "whole": total, "times": times}


def main() -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--out", default="table.json")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.3, help="at most, a group of layers")
    asked = parser.parse_args()
    timings = measure(asked.folder, asked.threads, asked.runs, asked.seconds)
    table = {
        "tenfold_latency": 1,
        "engine": "onnxruntime",
        "threads": asked.threads,
        **timings,
        "conditions": {"machine": platform.machine(), "version": onnxruntime.__version__},
    }
    with open(asked.out + ".part", "w", encoding="utf-8") as file:
        json.dump(table, file, indent=1)
    os.replace(asked.out + ".part", asked.out)


if __name__ == "__main__":
    main()
