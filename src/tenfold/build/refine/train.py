"""Factors and gates of all layers descend together on one composite loss, without labels.

Outputs and block features of the original, the decomposition's own error, and an augmented
Lagrangian for each limit (Nocedal and Wright 2006, chapter 17), as in the search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.build.refine.gates import Gated, gating, usage
from tenfold.data.batches import Batch
from tenfold.layers import weight_of
from tenfold.machine.precision import autocast
from tenfold.machine.progress import Progress
from tenfold.network.inputs import to_device
from tenfold.training import TuneSettings
from tenfold.training.objective import Objective
from tenfold.training.slow_kernels import sparing_slow_kernels
from tenfold.values import Limit

FACTOR_RATE, GATE_RATE = 5e-5, 0.05  # Adam moves each number by about its rate a step
DECOMPOSITION = 0.01  # weight of the decomposition error: outputs say more than weights
PENALTY = 0.5  # gentle: what the network can spare should decide, not the first steps
DISTIL = TuneSettings(task=0.0, temperature=1.0)


@dataclass(frozen=True)
class Setting:
    """What is asked of the relaxed network: limits, and what costs stand outside its gates."""

    limits: tuple[Limit, ...]
    rest: Mapping[str, float]
    steps: int
    class_mode: int | None = DISTIL.class_mode


def train(
    original: nn.Module,
    student: nn.Module,
    layers: Sequence[Gated],
    batches: Iterable[Any],
    setting: Setting,
    progress: Progress,
) -> tuple[dict[str, float], ...]:
    """Train in place on batches of inputs alone, BatchNorm in evaluation mode; returns the trace,
    an entry every few steps."""
    gates = [logit for layer in layers for logit in layer.logits]
    weights = [p for p in student.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(
        [{"params": weights, "lr": FACTOR_RATE}, {"params": gates, "lr": GATE_RATE}]
    )
    distil = replace(DISTIL, class_mode=setting.class_mode)
    objective = Objective(student, original, distil, None)
    goals = [weight_of(original.get_submodule(layer.site.name)).detach() for layer in layers]
    prices = torch.zeros(len(setting.limits))
    trace = []
    with gating(layers), sparing_slow_kernels(student), torch.enable_grad():
        for step, raw in zip(range(setting.steps), again_and_again(batches)):
            inputs = to_device(raw, goals[0].device)
            used = usage(layers, setting.limits, setting.rest)
            force = (prices + PENALTY * (used - 1)).clamp_min(0)
            constraint = (force.square() - prices.square()).sum() / (2 * PENALTY)
            with autocast("auto", goals[0].device):
                loss = objective(Batch(inputs, None, inputs))
            (loss + DECOMPOSITION * decomposition_error(layers, goals) + constraint).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            optimiser.zero_grad()
            prices = force.detach() if step % 5 == 4 else prices
            trace.append(
                {"step": float(step), "loss": float(loss.detach()), **shares(setting, used)}
            )
            progress("refining", step + 1, setting.steps)
    return tuple(trace[::5])


def decomposition_error(layers: Sequence[Gated], goals: Sequence[Tensor]) -> Tensor:
    """Sum over layers of ``||W - What||^2 / ||W||^2``."""
    terms = [
        (layer.weight() - goal).square().sum() / goal.square().sum().clamp_min(1e-12)
        for layer, goal in zip(layers, goals)
    ]
    return torch.stack(terms).sum()


def shares(setting: Setting, used: Tensor) -> dict[str, float]:
    """The used share of each limit, by name."""
    return {limit.cost: u for limit, u in zip(setting.limits, used.tolist())}


def again_and_again(batches: Iterable[Any]) -> Iterator[Any]:
    """Batches without an end, drawn anew each time round."""
    while True:
        yield from batches
