"""model, example, budgets -> Sweep: what no budget changes is learned once, each is searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tenfold.data.batches import check_batched
from tenfold.data.given import check_batches
from tenfold.errors import BudgetError, bad_value
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress, silent
from tenfold.network.guest import hosting
from tenfold.network.identity import digest, digest_of
from tenfold.pipeline.points import Asked, Quality, measure, new_points
from tenfold.pipeline.purpose import read_planning
from tenfold.pipeline.realise import check_depth
from tenfold.report.front import Sweep, SweepPoint, Unmet, never_worse
from tenfold.search.budgets import Amounts, read_budgets
from tenfold.settings import PlanSettings
from tenfold.store.sweep_folder import read_sweep, write_sweep
from tenfold.tasks import Purpose
from tenfold.training.checkpoint import check_same_run


def sweep(
    model: nn.Module,
    example: Any,
    budgets: Amounts = "0.9..0.1",
    *,
    cost: str = "params",
    data: Iterable[Any] | None = None,
    quality: Quality | None = None,
    folder: str | Path | None = None,
    planning: PlanSettings | Mapping[str, Any] | None = None,
    calibration: Iterable[Any] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Sweep:
    """The front of quality against size: a plan for each budget, from one pass of sensing and
    curves. A further budget takes seconds.

    Args:
        model, example, planning, calibration, settings: as ``plan`` takes them.
        budgets: ``"0.9..0.1"`` for shares in steps of 0.1, ``"0.9..0.1:9"`` for so many points, or
            amounts as ``"0.9,0.5,54k"`` or ``[0.9, 0.5]``.
        cost: what they limit.
        data: labelled batches, best held out, on which the network of each point is measured;
            building them takes longer than planning does.
        quality: ``quality(output, batch)``, higher is better, in place of accuracy.
        folder: a directory for ``sweep.json``, a page and the plans; where it holds a sweep of the
            same network and settings, only the points that are missing are made.
        progress: called as ``progress(stage, done, total)``.

    More budget never predicts more damage. Budgets that cannot be met are named in ``unmet``.

    Raises:
        BudgetError: a budget is unclear, or none can be met.
        InputError: as ``plan``; or the folder is of another sweep.
    """
    wanted, task = read_planning(planning, settings)
    amounts = read_budgets(budgets, cost)
    check_batched(calibration)
    check_batches(data)
    if data is not None:  # else nothing is built
        check_depth(wanted.refine, {cost: amounts[0]})
    place = None if folder is None else Path(folder)
    with hosting(model, example, wanted.seed) as guest:
        asked = Asked(guest, cost, wanted, calibration, Purpose(task), data, quality, progress)
        facts = facts_of(asked)
        found = taken_up(place, facts) or Sweep(cost, ())
        known = {each.amount for each in found.points} | {each.amount for each in found.unmet}
        for made in new_points(asked, [x for x in amounts if x not in known]):
            found = with_original(joined(found, made), asked)
            keep(found, place, facts)
    return only(found, amounts)


def facts_of(asked: Asked) -> dict[str, Any]:
    """What two calls must have in common for one to go on with the other's points."""
    guest, given = asked.guest, asked.calibration
    known = isinstance(given, (Tensor, list, tuple))
    return {
        "cost": asked.cost,
        **asdict(asked.settings),
        "original": digest((), guest.model)[:8],
        "example": digest_of(guest.example)[:8],
        "calibration": digest_of(given)[:8] if known else given is not None,
        "measured": asked.data is not None,
    }


def taken_up(folder: Path | None, facts: Mapping[str, Any]) -> Sweep | None:
    """What an earlier call left. Raises InputError where it asked for something else."""
    found = None if folder is None else on_first_process(lambda: read_sweep(folder))
    if found is None:
        return None
    sweep, before = found
    try:
        check_same_run(before, facts, folder)
    except KeyError as error:
        raise bad_value(
            "A sweep must say what was asked", f"no {error}", "name a new folder"
        ) from error
    return sweep


def with_original(found: Sweep, asked: Asked) -> Sweep:
    """With the original's quality, once a point says what the task is."""
    if asked.data is None or found.original is not None or not found.points:
        return found
    quality = measure(asked.guest.model, found.points[0].plan.task, asked)
    return replace(found, original=quality)


def joined(found: Sweep, made: SweepPoint | Unmet) -> Sweep:
    """With one more point, or one more budget that cannot be met."""
    if isinstance(made, Unmet):
        return replace(found, unmet=(*found.unmet, made))
    return replace(found, points=never_worse((*found.points, made)))


def keep(found: Sweep, folder: Path | None, facts: Mapping[str, Any]) -> None:
    """On disk, where there is a folder."""
    if folder is not None:
        on_first_process(lambda: write_sweep(found, folder, facts))


def only(found: Sweep, amounts: Iterable[str]) -> Sweep:
    """The points of these amounts. Raises BudgetError where none can be met."""
    wanted = set(amounts)
    points = tuple(point for point in found.points if point.amount in wanted)
    unmet = tuple(each for each in found.unmet if each.amount in wanted)
    if not points:
        raise BudgetError(unmet[0].reason)
    return replace(found, points=points, unmet=unmet)
