"""Two networks measured in turn: what a limit on a measured cost is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tenfold.build.rebuild import build_structure
from tenfold.costs import MEASURED, Reading, Target
from tenfold.deploy.prepare import prepare
from tenfold.machine.processes import torch_threads
from tenfold.runtimes import check_available
from tenfold.values import Plan

RUNS, WARMUP, SECONDS = 60, 3, 8.0


@dataclass(frozen=True)
class Pair:
    """Before and after; ``ratio`` is after / before of the steady readings."""

    target: Target
    before: Reading
    after: Reading
    ratio: float


def measure_pair(before: nn.Module, after: nn.Module, example: Any, target: Target) -> Pair:
    """Measure two networks in turn on an engine."""
    engine = check_available(target.engine)
    with torch_threads(target.threads):
        return measure_runs(
            prepare(engine, before, example, target.threads),
            prepare(engine, after, example, target.threads),
            target,
        )


def measure_runs(before: Callable[[], Any], after: Callable[[], Any], target: Target) -> Pair:
    """The same for two runs."""
    with torch_threads(target.threads):
        runs = {"before": before, "after": after}
        readings = MEASURED[target.cost].readings(runs, RUNS, WARMUP, SECONDS)
    first, second = readings["before"], readings["after"]
    return Pair(target, first, second, second.steady / first.steady)


def start_gauge(
    model: nn.Module, example: Any, target: Target, whole: float
) -> Callable[[Plan], float]:
    """What tells the cost of the network that a plan describes, built without its factors;
    ``whole`` is the cost of the original."""
    engine = check_available(target.engine)
    original = prepare(engine, model, example, target.threads)

    def gauge(plan: Plan) -> float:
        built = fill_noise(build_structure(model, plan))
        run = prepare(engine, built, example, target.threads)
        pair = measure_runs(original, run, target)
        return pair.ratio * whole if target.share else pair.after.steady

    return gauge


@torch.no_grad()
def fill_noise(model: nn.Module) -> nn.Module:
    """Noise in place of all-zero weights, which a runtime may optimise away."""
    for weight in model.parameters():
        if weight.ndim > 1 and not bool(weight.any()):
            weight.normal_(0, 0.02)
    return model
