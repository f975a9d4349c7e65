"""Curves, sides and damages on disk: those of the same metrics are traced and measured once.

A curve keeps its errors and what was dear of its decompositions; these are had again when a plan
asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.curves.trace import (
    Again,
    Curve,
    Step,
    cheapest_curves,
    check_names,
    step_at,
    trace_curves,
)
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.layers import weights_of
from tenfold.machine.cache import Kept, name_for, once_for_all
from tenfold.machine.progress import Progress, silent
from tenfold.machine.tensors import pick, under
from tenfold.network.identity import digest_of
from tenfold.tasks import Task
from tenfold.values import Survey

Sides = dict[str, str]


def name_of_curves(
    mark: str, survey: Survey, sides: Mapping[str, str], formats: Sequence[str] | None, step: Step
) -> str | None:
    """What curves depend on: what was sensed, on which side, and at which ranks; None where that
    has no name."""
    if not mark:
        return None
    steps = [step_at(site, step) for site in survey.sites]
    return name_for(
        "curves", mark, survey.sites, sorted(sides.items()), check_names(formats), steps
    )


def name_of_measured(
    kind: str, depends: str | None, batches: Sequence[Any], task: Task | None, each: int | None = 0
) -> str | None:
    """What sides and damages depend on beside; None for a task whose name does not tell what it
    computes."""
    if not depends or task is None or not task.told_by_name:
        return None
    return name_for(kind, depends, digest_of(batches), task.name, each)


def curves_once(
    name: str | None,
    model: nn.Module,
    survey: Survey,
    metrics: Mapping[str, Metric],
    *,
    formats: Sequence[str] | None = None,
    round_to: Step = 1,
    progress: Progress = silent,
) -> tuple[Curve, ...]:
    """``trace_curves``, or what it returned before under this name."""

    def make() -> tuple[Curve, ...]:
        return trace_curves(
            model, survey, metrics, formats=formats, round_to=round_to, progress=progress
        )

    def unpack(kept: Kept) -> tuple[Curve, ...]:
        bare = cheapest_curves(survey, formats, round_to)
        weights = weights_of(model, (each.site.name for each in bare))
        return tuple(
            read_curve(
                each,
                pick(kept.tensors, f"{k}."),
                weights[each.site.name],
                metrics_at(metrics, each),
            )
            for k, each in enumerate(bare)
        )

    return once_for_all(name, make, pack_curves, unpack)


def metrics_at(metrics: Mapping[str, Metric], curve: Curve) -> Metric:
    """The metric of a curve's site, plain where it has none."""
    return metrics.get(curve.site.name, Metric())


def pack_curves(curves: Sequence[Curve]) -> Kept:
    """By the place of each curve."""
    tensors: dict[str, Tensor] = {}
    for k, curve in enumerate(curves):
        energy = torch.tensor(curve.energy, dtype=torch.float64)
        own = {"errors": curve.errors, "energy": energy}
        dear = under("dear.", FORMATS[curve.format].dear(curve.state))
        tensors |= under(f"{k}.", {**own, **dear})
    return Kept(tensors)


def read_curve(bare: Curve, tensors: Mapping[str, Tensor], weight: Tensor, metric: Metric) -> Curve:
    """The curve that was packed. Raises KeyError or ValueError for one of other ranks."""
    errors = tensors["errors"]
    if errors.shape != (len(bare),):
        raise ValueError(f"{len(errors)} errors of {len(bare)} rows")
    again = Again(bare.site, bare.format, weight, metric, pick(tensors, "dear."))
    energy = float(tensors["energy"])
    return Curve(bare.site, bare.format, bare.ranks, errors, bare.costs, energy, again)


def sides_once(name: str | None, make: Callable[[], Sides]) -> Sides:
    """By layer the side that was chosen, or chosen before under this name."""
    return once_for_all(
        name, make, lambda sides: Kept(facts={"sides": sides}), lambda kept: kept.facts["sides"]
    )


def damages_once(name: str | None, make: Callable[[], list[Tensor]]) -> list[Tensor]:
    """Curve by curve the damages, or those that were measured before under this name."""

    def pack(damages: list[Tensor]) -> Kept:
        return Kept({str(k): damage for k, damage in enumerate(damages)}, {"curves": len(damages)})

    return once_for_all(
        name, make, pack, lambda kept: [kept.tensors[str(k)] for k in range(kept.facts["curves"])]
    )
