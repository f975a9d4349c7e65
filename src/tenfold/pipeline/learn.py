"""What no budget changes: what is sensed, how errors are weighed, curves and damages. It is had
once for a network, and kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tenfold.compounds import open_for
from tenfold.curves import measure_damages
from tenfold.curves.afford import Measuring, afford
from tenfold.curves.kept import (
    curves_once,
    damages_once,
    name_of_curves,
    name_of_measured,
    sides_once,
)
from tenfold.curves.trace import Curve, Step, plain_damage
from tenfold.curves.weigh import choose_sides
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Clock, Progress
from tenfold.network.guest import Guest
from tenfold.pipeline.prefer import in_frobenius
from tenfold.sense import Sensed, sense
from tenfold.settings import PlanSettings
from tenfold.tasks import Purpose
from tenfold.values import Survey


@dataclass(frozen=True)
class Learned:
    """What every budget of a network is searched on."""

    opened: Guest  # with its compounds opened
    sensed: Sensed
    sides: Mapping[str, str]
    curves: tuple[Curve, ...]
    damages: tuple[Tensor, ...]
    plain: tuple[Curve, ...]  # of weights as they are, where plainer plans are worth a look


def learn(
    guest: Guest,
    sites: Survey,
    settings: PlanSettings,
    step: Step,
    calibration: Iterable[Any] | None,
    purpose: Purpose,
    rivals: bool,
    clock: Clock,
    progress: Progress,
) -> Learned:
    """Sense, weigh, trace, measure. ``rivals`` asks for the curves of plainer plans."""
    opened = Guest(open_for(guest.model, (site.name for site in sites.sites)), guest.example)
    clock.lap("survey")
    sensed = sense_once(opened, sites, settings, calibration, purpose, progress)
    clock.lap("sense")
    measuring = afford(opened.exact, opened.example, sites, sensed)
    sides = sides_of(opened.exact, sensed, sites, measuring, progress)
    clock.lap("weigh")
    named = name_of_curves(sensed.mark, sites, sides, settings.formats, step)
    metrics = {name: sensed.metrics[name].on(side) for name, side in sides.items()}
    curves = curves_once(
        named,
        opened.exact,
        sites,
        metrics,
        formats=settings.formats,
        round_to=step,
        progress=progress,
    )
    clock.lap("curves")
    damages = damages_of(opened.exact, curves, named, sensed, measuring, progress)
    clock.lap("measure")
    plain: tuple[Curve, ...] = ()
    if rivals and sensed.apart:
        formats, mark = settings.formats, sensed.mark
        plain = in_frobenius(opened.exact, sites, curves, sides, formats, step, mark)
    return Learned(opened, sensed, sides, curves, tuple(damages), plain)


def sense_once(
    guest: Guest,
    sites: Survey,
    settings: PlanSettings,
    calibration: Iterable[Any] | None,
    purpose: Purpose,
    progress: Progress,
) -> Sensed:
    """What the layers see, sensed by one process for all."""
    return on_first_process(
        lambda: sense(
            guest.exact,
            sites,
            guest.exact_example,
            metric=settings.metric,
            calibration=calibration,
            purpose=purpose,
            seed=settings.seed,
            progress=progress,
        )
    )


def sides_of(
    model: nn.Module, sensed: Sensed, sites: Survey, measuring: Measuring, progress: Progress
) -> dict[str, str]:
    """On which side of its metric each layer's error is weighed; none where nothing was sensed."""
    few = measuring.batches
    if not few:
        return {}
    return sides_once(
        name_of_measured("sides", sensed.mark, few, sensed.task),
        lambda: choose_sides(model, sites, sensed.metrics, few, sensed.task, progress),
    )


def damages_of(
    model: nn.Module,
    curves: Sequence[Curve],
    named: str | None,
    sensed: Sensed,
    measuring: Measuring,
    progress: Progress,
) -> list[Tensor]:
    """Measured where there are inputs to measure on, else the squared error in the metric.
    ``named`` says what the curves depend on."""
    few, rows = measuring.batches, measuring.rows
    if not few:
        return [plain_damage(curve) for curve in curves]
    return damages_once(
        name_of_measured("damages", named, few, sensed.task, rows),
        lambda: measure_damages(model, curves, few, progress, sensed.task, rows, sensed.lessons),
    )
