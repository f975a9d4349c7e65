"""Damage measured on the network: one layer at a time, at a few ranks, on the sensed inputs.

The divergence between the original's outputs and those with one layer replaced by its sketch is
measured at a few rows of each curve worth measuring, and interpolated over the curve's error,
logarithm against logarithm. Near zero the divergence is quadratic in the weight error, hence
linear in its square, which is how curves are continued below their smallest measured error.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.curves.likes import Points, numbers_in, points_of, points_of_likes
from tenfold.curves.trace import Curve, plain_damage
from tenfold.data.apart import Split
from tenfold.formats import FORMATS
from tenfold.formats.places import stand_ins
from tenfold.layers import LAYERS, weight_of
from tenfold.machine.processes import share
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import call_alike, evaluating
from tenfold.network.padding import masks_of
from tenfold.network.replay import (
    MOST,
    NOTHING,
    Recorder,
    Recording,
    composites_in,
    recording,
    replaying,
)
from tenfold.network.traces import noting_traces
from tenfold.network.watch import forwards_replaced
from tenfold.tasks import Masks, Task, guess_task
from tenfold.values import Site

WORTH = 1.05  # times the best error at equal cost, above which a format is not measured
FLOOR, CEILING = 1e-12, 1e3
NO_LESSONS: Mapping[str, Split] = {}

Ranks = tuple[int, ...]


@dataclass(frozen=True)
class Goal:
    """A batch of inputs, where they are padded, the original's output, and what layers put out on
    the way to it."""

    inputs: Any
    masks: Masks
    output: Any
    recorded: Recording = NOTHING


@torch.no_grad()
def measure_damages(
    model: nn.Module,
    curves: Sequence[Curve],
    batches: Sequence[Any],
    progress: Progress = silent,
    task: Task | None = None,
    each: int | None = None,
    lessons: Mapping[str, Split] = NO_LESSONS,
) -> list[Tensor]:
    """Row by row the predicted divergence, ``(n,)`` float64, for every curve; as the ``task`` says,
    which is guessed from the output without one.

    Curves whose error is nowhere near the best of their site at the same cost borrow the site's
    relation between error and divergence instead of being measured; so do those beyond the best
    ones of a site that have ``each`` rows to measure together. A site with a lesson is asked by
    itself, on what its lesson holds apart.
    """
    with evaluating(model):
        goals = goals_of(model, batches, layers_of(model, curves))
        task = task or guess_task(model, goals[0].output)
        jobs = rows_to_measure(curves, each)
        alone = {name: asked_alone(model, name, lesson) for name, lesson in lessons.items()}
        points: Points = {}

        def work(job: tuple[int, Ranks]) -> tuple[float, float]:
            curve = curves[job[0]]
            asked, wanted = alone.get(curve.site.name, (model, goals))
            return measure(model, curve, job[1], wanted, task, asked)

        for done, ((index, _), point) in enumerate(zip(jobs, share(work, jobs))):
            points.setdefault(index, []).append(point)
            progress("measuring", done + 1, len(jobs))
    return [interpolate(curve, points, k, curves) for k, curve in enumerate(curves)]


def measure(
    model: nn.Module,
    curve: Curve,
    ranks: Ranks,
    goals: Sequence[Goal],
    task: Task,
    asked: nn.Module | None = None,
) -> tuple[float, float]:
    """Predicted relative squared error, and the divergence it causes in what the model, or the part
    of it that is ``asked``, puts out; not a number where no input reaches the layer, as an expert
    without a token."""
    gaps, asked = [], asked or model
    with replaced(sketched(model, curve, ranks)) as reached:
        layers = layers_of(model, [curve])
        for goal in goals:
            with replaying(goal.recorded.before(layers)):
                gaps.append(distance(task, call_alike(asked, goal.inputs), goal))
    row = torch.tensor([ranks], dtype=torch.int64)
    gap = bounded(sum(gaps) / len(gaps)) if any(reached) else math.nan
    return float(FORMATS[curve.format].errors(curve.state, row)), gap


def asked_alone(model: nn.Module, name: str, lesson: Split) -> tuple[nn.Module, list[Goal]]:
    """A layer, and what it says to inputs of its own."""
    layer = model.get_submodule(name)
    return layer, goals_of(layer, lesson.apart)


def sketched(model: nn.Module, curve: Curve, ranks: Ranks) -> dict[nn.Module, nn.Module]:
    """What stands in the place of each layer of a site at these ranks, from factors good enough to
    measure with."""
    fmt, places = FORMATS[curve.format], curve.site.places
    layers = [model.get_submodule(place.name) for place in places]
    weight = weight_of(layers[0])
    biases = [LAYERS[place.kind].bias(layer) for place, layer in zip(places, layers)]
    site = in_type(curve.site, weight.dtype)  # wider than surveyed in a half network
    chains = stand_ins(fmt, site, ranks, fmt.sketch(curve.state, ranks), biases)
    return {layer: chain.to(weight.device).eval() for layer, chain in zip(layers, chains)}


def goals_of(
    model: nn.Module, batches: Sequence[Any], layers: Collection[nn.Module] = ()
) -> list[Goal]:
    """What the original says, and on the way these layers and, where a pass leaves no traces, the
    modules around them."""
    goals, most = [], MOST / max(1, len(batches))
    modules = [*layers, *composites_in(model)]
    for x in batches:
        recorder = Recorder(most)
        with noting_traces(model) as traces, recording(modules, recorder):
            output = call_alike(model, x)
        recorded = recorder.recording.of(layers) if traces.found else recorder.recording
        goals.append(Goal(x, masks_of(model, x), output, recorded))
    return goals


def layers_of(model: nn.Module, curves: Sequence[Curve]) -> set[nn.Module]:
    """The layers of the curves' sites, in every place."""
    return {model.get_submodule(place.name) for c in curves for place in c.site.places}


def distance(task: Task, output: Any, goal: Goal) -> float:
    """How far an output is from the goal; the largest distance where it is not finite."""
    return bounded(task.distance(output, goal.output, goal.masks))


def bounded(value: float) -> float:
    """Within what can be compared by its logarithm."""
    return min(max(value, FLOOR), CEILING) if math.isfinite(value) else CEILING


def divergence(model: nn.Module, original: nn.Module, batches: Sequence[Any], task: Task) -> float:
    """Mean distance of two networks' outputs, both in evaluation mode."""
    goals = goals_of(original, batches)
    gaps = [distance(task, call_alike(model, goal.inputs), goal) for goal in goals]
    return sum(gaps) / len(gaps)


def in_type(site: Site, dtype: torch.dtype) -> Site:
    """The site in another type, in every place."""
    others = tuple(replace(place, dtype=dtype) for place in site.others)
    return replace(site, dtype=dtype, others=others)


class Counted(nn.Module):
    """A chain that notes how many numbers each of its calls had."""

    def __init__(self, chain: nn.Module, reached: list[int]) -> None:
        super().__init__()
        self.chain, self.reached = chain, reached

    def forward(self, *inputs: Tensor, **named: Any) -> Any:
        """What the chain computes."""
        self.reached.append(sum(x.numel() for x in inputs))
        return self.chain(*inputs, **named)


@contextmanager
def replaced(chains: Mapping[nn.Module, nn.Module]) -> Iterator[list[int]]:
    """Each layer computes what its chain does, without a change to the module tree; yields how many
    numbers each call had."""
    reached: list[int] = []
    counted = {layer: Counted(chain, reached).forward for layer, chain in chains.items()}
    with forwards_replaced(counted):
        yield reached


def rows_to_measure(curves: Sequence[Curve], each: int | None) -> list[tuple[int, Ranks]]:
    """Places of curves with the ranks to measure, site by site; the best curve of a site always,
    others as long as there are no more than ``each`` rows."""
    jobs: list[tuple[int, Ranks]] = []
    for places in worth_measuring(curves):
        taken = 0
        for k in places:
            rows = FORMATS[curves[k].format].samples(curves[k].state, curves[k].ranks).tolist()
            if taken and each is not None and taken + len(rows) > each:
                continue
            jobs += [(k, tuple(row)) for row in rows]
            taken += len(rows)
    return jobs


def worth_measuring(curves: Sequence[Curve]) -> list[list[int]]:
    """Site by site the places of curves that come near the best error at some cost, those first
    that do so at most of their rows."""
    sites: dict[str, list[int]] = {}
    for index, curve in enumerate(curves):
        if curve.format != "dense":
            sites.setdefault(curve.site.name, []).append(index)
    leads = [{k: lead(curves, k, group) for k in group} for group in sites.values()]
    return [sorted((k for k in of if of[k]), key=lambda k: -of[k]) for of in leads]


def lead(curves: Sequence[Curve], index: int, group: Sequence[int]) -> float:
    """The share of rows that have at most WORTH times the squared error that others reach within
    their parameters or their MACs."""
    mine = curves[index]
    near = [
        mine.errors <= WORTH * best_within(curves, group, mine, cost) + FLOOR
        for cost in ("params", "macs")
    ]
    return float((near[0] | near[1]).double().mean())


def best_within(curves: Sequence[Curve], group: Sequence[int], mine: Curve, cost: str) -> Tensor:
    """Least error of the site's curves at no more than each of my rows' cost."""
    costs = torch.cat([curves[k].costs[cost] for k in group])
    order = costs.argsort()
    best = torch.cat([curves[k].errors for k in group])[order].cummin(0).values
    at = torch.searchsorted(costs[order], mine.costs[cost], right=True) - 1
    return best[at.clamp_min(0)]


def interpolate(
    curve: Curve,
    points: Points,
    index: int,
    curves: Sequence[Curve],
) -> Tensor:
    """Divergence at every row of a curve from its own points, else from its site's; where no input
    reached the site, from those of its like."""
    if curve.format == "dense":
        return torch.zeros(len(curve), dtype=torch.float64)
    own = points.get(index) or points_of([curve.site.name], points, curves)
    if not own:
        return plain_damage(curve)
    x, y = rising(numbers_in(own) or points_of_likes(curve.site, points, curves) or [(1.0, FLOOR)])
    return read(x, y, curve.errors)


def rising(points: Sequence[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    """Points by rising error with the divergence made not to fall, in logarithms."""
    table = torch.tensor(sorted(points), dtype=torch.float64).clamp_min(FLOOR)
    return table[:, 0].log(), table[:, 1].cummax(0).values.log()


def read(x: Tensor, y: Tensor, errors: Tensor) -> Tensor:
    """Piecewise linear in the logarithms; slope one beyond both ends; zero error is no damage."""
    at = errors.clamp_min(FLOOR).log()
    right = torch.searchsorted(x, at).clamp(1, max(1, len(x) - 1))
    if len(x) == 1:
        return (y[0] + at - x[0]).exp() * (errors > 0)
    left = right - 1
    share = (at - x[left]) / (x[right] - x[left]).clamp_min(1e-9)
    inside = torch.lerp(y[left], y[right], share.clamp(0, 1))
    beyond = torch.where(at < x[0], y[0] + at - x[0], inside)
    beyond = torch.where(at > x[-1], y[-1] + at - x[-1], beyond)
    return beyond.exp() * (errors > 0)
