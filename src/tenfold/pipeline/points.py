"""Amounts of a cost -> a point each; what no budget changes is learned once, where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import BudgetError, bad_value
from tenfold.machine.progress import Clock, Progress
from tenfold.network.guest import Guest
from tenfold.pipeline.choose import (
    Chosen,
    Priced,
    Request,
    has_rivals,
    limited,
    price,
    read_request,
    settle_on,
)
from tenfold.pipeline.learn import Learned, learn
from tenfold.pipeline.realise import realise
from tenfold.report.front import SweepPoint, Unmet
from tenfold.settings import PlanSettings
from tenfold.tasks import Purpose, recall_task
from tenfold.training.score import accuracy, mean_quality

Quality = Callable[[Any, Any], "Tensor | float"]


@dataclass(frozen=True)
class Asked:
    """What all points of a sweep have in common."""

    guest: Guest
    cost: str
    settings: PlanSettings
    calibration: Iterable[Any] | None
    purpose: Purpose
    data: Iterable[Any] | None
    quality: Quality | None
    progress: Progress


def new_points(asked: Asked, amounts: Iterable[str]) -> Iterator[SweepPoint | Unmet]:
    """A point a budget, or why it cannot be met, in the order of the amounts."""
    plan_for, amounts = planner(asked), list(amounts)
    for done, amount in enumerate(amounts):
        try:
            chosen = plan_for(amount)
        except BudgetError as error:
            yield Unmet(amount, str(error))
        else:
            yield point_of(asked, amount, chosen)
        asked.progress("budgets", done + 1, len(amounts))


def planner(asked: Asked) -> Callable[[str], Chosen]:
    """The plan of any amount, on what is learned with the first. It raises BudgetError where an
    amount cannot be met."""
    priced: Priced | None = None
    learned: Learned | None = None

    def plan_for(amount: str) -> Chosen:
        nonlocal priced, learned
        clock, budget, settings = Clock(), {asked.cost: amount}, asked.settings
        request = read_request(budget, settings)
        if priced is None or request.target is not None:
            priced = price(asked.guest, request, settings, asked.progress)
        surveyed = limited(priced, budget, request, settings)
        learned = learned or learned_for(asked, priced, request, clock)
        torch.manual_seed(settings.seed)
        guest, progress = asked.guest, asked.progress
        return settle_on(guest, request, surveyed, learned, settings, clock, progress)

    return plan_for


def learned_for(asked: Asked, priced: Priced, request: Request, clock: Clock) -> Learned:
    """What all budgets are searched on."""
    return learn(
        asked.guest,
        priced.survey,
        asked.settings,
        request.step,
        asked.calibration,
        asked.purpose,
        has_rivals(request, asked.settings),
        clock,
        asked.progress,
    )


def point_of(asked: Asked, amount: str, chosen: Chosen) -> SweepPoint:
    """The point of a plan; with data its network is built and measured."""
    plan, quality = chosen.plan, None
    if asked.data is not None:
        plan, built = realise(chosen, asked.settings, asked.progress)
        quality = measure(built, plan.task, asked)
    return SweepPoint(amount, plan, chosen.predict(plan).damage, quality)


def measure(network: nn.Module, task: str, asked: Asked) -> float:
    """Accuracy in per cent, or the mean of the quality that was given."""
    assert asked.data is not None
    if asked.quality is not None:
        return mean_quality(network, asked.data, asked.quality, asked.progress)
    stated = recall_task(task)
    mode = stated.class_mode if stated else None
    if mode is None:
        raise bad_value(
            "Outputs without classes need a quality of your own", "none", "pass quality=..."
        )
    return accuracy(network, asked.data, mode, asked.progress)
