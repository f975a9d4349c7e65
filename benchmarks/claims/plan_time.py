"""Processor seconds from a loaded network to a smaller one, by stage, with the peak memory.

    python -m benchmarks.claims.plan_time [NAME ...]

Every network is compressed with default settings in a process of its own with one thread. Beside
its seconds stands the floor: one SVD of every weight that can be factored. ResNets, CREPE and the
small ones have random weights; other names are networks of ``TENFOLD_NETWORKS``, of which a name
with ``+`` is given its calibration. Writes ``plan_time.json``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from torch import nn

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.outside import load_outside
from benchmarks.networks.residual import crepe, resnet, small
from benchmarks.result_files import read_json, write_json
from tenfold.bench.memory import resident
from tenfold.layers import weight_of
from tenfold.survey.stage import survey

RANDOM: dict[str, tuple[Callable[[], Any], float]] = {
    "resnet18": (partial(resnet, 18), 0.5),
    "resnet50": (partial(resnet, 50), 0.5),
    "resnet101": (partial(resnet, 101), 0.5),
    "resnet152": (partial(resnet, 152), 0.5),
    "crepe": (crepe, 1 / 12),
    "small-2x12": (partial(small, 2, 12), 0.4),
    "small-3x32": (partial(small, 3, 32), 0.4),
    "small-5x72": (partial(small, 5, 72), 0.4),
}
OUTSIDE = {
    "efficientnet_lite1": 0.77,
    "maia": 0.5,
    "ppocr_rec": 0.6,
    "hed": 0.5,
    "minilm+": 0.75,
    "minilm": 0.75,
    "meshnet3d": 0.5,
}
QUICK = {"names": ["small-2x12"]}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("names", nargs="*", default=[*RANDOM, *OUTSIDE], metavar="NAME")
    return read_arguments(parser, argv, QUICK)


def load(name: str) -> tuple[nn.Module, Any, Any, float]:
    """Network, example, calibration if asked for, share of parameters to keep."""
    if name in RANDOM:
        make, share = RANDOM[name]
        return (*make(), None, share)
    outside = load_outside(name.removesuffix("+"))
    batches = outside.calibration if name.endswith("+") else None
    return outside.model, outside.example, batches, OUTSIDE.get(name, 0.5)


def timed(name: str) -> dict[str, Any]:
    """One network, from loaded to built."""
    torch.set_num_threads(1)
    os.environ["TENFOLD_CACHE"] = ""  # every stage does its work
    model, example, calibration, share = load(name)
    floor, before = floor_of(model, example), peak()
    stages: dict[str, float] = defaultdict(float)
    last = [time.process_time()]

    def note(stage: str, done: int, total: int) -> None:
        """What has passed since a stage last told of itself is its own."""
        now = time.process_time()
        stages[stage] += now - last[0]
        last[0] = now

    began = last[0]
    result = tenfold.compress(
        model, example, {"params": share}, calibration=calibration, progress=note
    )
    return {
        "params": sum(p.numel() for p in model.parameters()),
        "kept": sum(p.numel() for p in result.model.parameters()),
        "cpu": round(time.process_time() - began, 1),
        "floor": round(floor, 1),
        "stages": {stage: round(spent, 1) for stage, spent in stages.items()},
        "peak_mb": {"before": round(before), "after": round(peak())},
    }


def floor_of(model: nn.Module, example: Any) -> float:
    """Seconds of one SVD of every unfolding ``(out, in * window)``."""
    layers = dict(model.named_modules())
    weights = [
        weight_of(layers[site.name]).detach().flatten(1)
        for site in survey(model, example).sites
        if not site.others and site.name in layers
    ]
    began = time.process_time()
    for weight in weights:
        torch.linalg.svd(weight, full_matrices=False)
    return time.process_time() - began


def peak() -> float:
    """Largest resident size so far, in MB."""
    return resident("VmHWM") / 1e6


def main(argv: Sequence[str] | None = None) -> None:
    """Each network in a process of its own; print, write."""
    arguments = arguments_of(argv)
    file = arguments.results / "plan_time.json"
    results = read_json(file)
    results |= {"command": "python -m benchmarks.claims.plan_time", "torch": torch.__version__}
    for name in arguments.names:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            row = alone.submit(timed, name).result()
        print(f"{name}: {row}", flush=True)
        results.setdefault("networks", {})[name] = row
        write_json(file, results)


if __name__ == "__main__":
    main()
