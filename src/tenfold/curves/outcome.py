"""A network that takes another's place -> how far its outputs shifted, and what to expect of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.curves.damage import Goal, goals_of
from tenfold.data.batches import rows_of
from tenfold.network.call import call_alike, evaluating, run
from tenfold.sense import Sensed
from tenfold.tasks import Task, guess_task, parts_of
from tenfold.tasks._find import Own
from tenfold.values import Forecast

Around = Callable[[int], AbstractContextManager[None]]


def alone(index: int) -> AbstractContextManager[None]:
    """Nothing around a pass."""
    return nullcontext()


class Judge:
    """The original's outputs on inputs held apart, to hold other networks against."""

    def __init__(
        self, original: nn.Module, batches: Sequence[Any], task: Task, made: bool = False
    ) -> None:
        with torch.no_grad(), evaluating(original):
            self.goals: list[Goal] = goals_of(original, batches)
        self.task, self.made = task, made

    def shift(self, network: nn.Module, around: Around = alone) -> float:
        """Between 0 and 1, the mean over batches, each weighed by its inputs; the pass over each
        is made inside of what ``around`` its place gives."""
        total = weighed = 0.0
        for goal, output in self.outputs(network, around):
            rows = rows_of(goal.inputs)
            total += rows * self.task.shift(output, goal.output, goal.masks)
            weighed += rows
        return total / max(weighed, 1)

    def forecast(self, network: nn.Module) -> Forecast:
        """Agreement with the original, with its standard error over inputs."""
        parts: list[Tensor] = []
        kinds: set[str] = set()
        for goal, output in self.outputs(network):
            kind, values = agreement_of(self.task, output, goal)
            kinds.add(kind)
            parts.append(values)
        values = torch.cat(parts)
        spread = float(values.std() / math.sqrt(len(values))) if len(values) > 1 else 0.0
        inputs = sum(rows_of(goal.inputs) for goal in self.goals)
        return Forecast(float(values.mean()), spread, inputs, min(kinds), made=self.made)

    @torch.no_grad()
    def outputs(self, network: nn.Module, around: Around = alone) -> list[tuple[Goal, Any]]:
        """What the network says to each batch."""
        said = []
        with evaluating(network):
            for index, goal in enumerate(self.goals):
                with around(index):
                    said.append((goal, call_alike(network, goal.inputs)))
        return said


def judge_of(original: nn.Module, sensed: Sensed) -> Judge | None:
    """The original on the inputs held apart; None where there are none."""
    if not sensed.apart:
        return None
    task = sensed.task or guess_task(original, run(original, sensed.apart[0]))
    return Judge(original, sensed.apart, task, sensed.origin != "calibration")


def agreement_of(task: Task, output: Any, goal: Goal) -> tuple[str, Tensor]:
    """The kind of agreement, and its value input by input where that can be told."""
    decisions = task.agreement(output, goal.output, goal.masks)
    if decisions is None:
        return "outputs", torch.tensor(nearness(task, output, goal), dtype=torch.float64)
    inputs = min(rows_of(goal.inputs), len(decisions))
    return "decisions", torch.stack([part.mean() for part in decisions.tensor_split(inputs)])


def nearness(task: Task, output: Any, goal: Goal) -> list[float]:
    """1 less the relative distance of the outputs, input by input where every tensor has a row for
    each, else once for the batch."""
    rows = rows_of(goal.inputs)
    mine, theirs = parts_of(output), parts_of(goal.output)
    tensors = (*mine.values(), *theirs.values())
    if not tensors or isinstance(task, Own) or any(len_of(x) != rows for x in tensors):
        return [near(task.distance(output, goal.output, goal.masks))] * rows
    return [
        near(task.distance(row(mine, k), row(theirs, k), row(goal.masks, k))) for k in range(rows)
    ]


def near(distance: float) -> float:
    """Between 0 and 1, from a squared relative distance."""
    return max(0.0, 1 - math.sqrt(distance)) if math.isfinite(distance) and distance >= 0 else 0.0


def len_of(x: Tensor) -> int:
    """The size of the first mode; 0 for a single number."""
    return len(x) if x.ndim else 0


def row(tensors: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    """One row of every tensor."""
    return {name: x[index : index + 1] for name, x in tensors.items()}
