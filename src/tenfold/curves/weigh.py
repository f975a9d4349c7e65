"""Layer by layer, in which metric its errors are best weighed: measured, not supposed.

A metric of inputs and gradients supposes that what an input looks like has nothing to do with the
outputs it concerns. Where that fails, as in classifiers of many classes, the weight as it is may be
the better guide, so each layer is cut once in every metric and the outputs of the network are
looked at, on inputs that made none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tenfold.curves.damage import Goal, goals_of, layers_of, measure
from tenfold.curves.trace import cheapest_curves, trace
from tenfold.formats.metric import SIDES, Metric
from tenfold.layers import weight_of
from tenfold.machine.processes import share
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import evaluating
from tenfold.tasks import Task, guess_task
from tenfold.values import Survey

PROBE = "svd"  # which serves every layer, and is exact
KEPT = 0.5  # share of a layer's parameters at which metrics are compared
CLEARLY = 0.95  # the first of ``SIDES`` stays unless another does so much less damage


@torch.no_grad()
def choose_sides(
    model: nn.Module,
    survey: Survey,
    metrics: Mapping[str, Metric],
    batches: Sequence[Any],
    task: Task | None = None,
    progress: Progress = silent,
) -> dict[str, str]:
    """By layer, one of ``SIDES``: that of least damage on ``batches``."""
    probes = [c for c in cheapest_curves(survey, [PROBE]) if c.format == PROBE]
    with evaluating(model):
        goals = goals_of(model, batches, layers_of(model, probes))
        task = task or guess_task(model, goals[0].output)

        def work(probe: Any) -> str:
            return best_side(model, probe, metrics[probe.site.name], goals, task)

        sides = {}
        jobs = [probe for probe in probes if probe.site.name in metrics]
        for done, (probe, side) in enumerate(zip(jobs, share(work, jobs))):
            sides[probe.site.name] = side
            progress("weighing", done + 1, len(jobs))
    return sides


def best_side(
    model: nn.Module, probe: Any, metric: Metric, goals: Sequence[Goal], task: Task
) -> str:
    """The side of least damage at a rank that keeps a half of the layer."""
    allowed = probe.costs["params"] <= KEPT * weight_of(layer_of(model, probe)).numel()
    rank = probe.ranks[allowed].amax(0) if bool(allowed.any()) else probe.ranks[0]
    weight = weight_of(layer_of(model, probe)).detach().cpu()
    damages = {}
    for side in SIDES:
        curve = trace(probe, weight, metric.on(side))
        damages[side] = measure(model, curve, tuple(rank.tolist()), goals, task)[1]
    best = min(damages, key=lambda side: damages[side])
    return best if damages[best] < CLEARLY * damages[SIDES[0]] else SIDES[0]


def layer_of(model: nn.Module, curve: Any) -> nn.Module:
    """The layer that a curve is of."""
    return model.get_submodule(curve.site.name)
