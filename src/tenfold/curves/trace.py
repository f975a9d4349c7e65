"""model, Survey, Metrics -> Curves: what each site costs and loses at every rank of each format.

One pass over the weights; all that comes after is arithmetic on these tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.costs import COSTS
from tenfold.errors import bad_value
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.layers import only_looked_up, weights_of
from tenfold.machine.processes import parallel_map, torch_threads
from tenfold.machine.progress import Progress, silent
from tenfold.values import Site, Survey

Step = int | Callable[[Site], int]  # ranks are its multiples, everywhere or at a site

NODES = {0: 1, 1: 320, 2: 28, 3: 10}  # grid values a rank, by the number of ranks
CHUNK = 2**24  # numbers that are held in float64 at once
GUARDED = ("params", "macs", "bytes")  # a layer never grows in any of these that it has


@dataclass(frozen=True)
class Again:
    """What a state is had from again, with what was dear of it."""

    site: Site
    format: str
    weight: Tensor
    metric: Metric
    dear: Mapping[str, Tensor]

    def state(self) -> Any:
        """The same to the last bit: on one thread, as curves are traced."""
        fmt = FORMATS[self.format]
        with torch.no_grad(), torch_threads(1):
            return fmt.resumed(fmt.analyse(self.site, self.weight, self.metric), self.dear)


@dataclass(frozen=True)
class Curve:
    """One format of one site: row by row the ranks, the relative squared error and the costs."""

    site: Site
    format: str
    ranks: Tensor  # (n, d), int64
    errors: Tensor  # (n,), float64
    costs: Mapping[str, Tensor]  # per cost (n,), float64
    energy: float  # squared norm of the weight in the metric
    left: Any  # what the format's analysis left, for measuring; or what gives it again

    @cached_property
    def state(self) -> Any:
        """What the analysis left."""
        return self.left.state() if isinstance(self.left, Again) else self.left

    def __len__(self) -> int:
        return len(self.ranks)


def trace_curves(
    model: nn.Module,
    survey: Survey,
    metrics: Mapping[str, Metric] | None = None,
    *,
    formats: Sequence[str] | None = None,
    round_to: Step = 1,
    progress: Progress = silent,
) -> tuple[Curve, ...]:
    """Curves of every site in every format that accepts it; ``dense`` is always among them.

    ``round_to`` keeps only ranks that are its multiples, or those of what it gives for a site.
    Work is shared over torch's threads; weights are read before, for somebody's code may run.
    Sites with equal geometry still have their own curve: the weight differs.
    """
    jobs = cheapest_curves(survey, formats, round_to)
    metrics = metrics or {}
    weights = weights_of(model, (bare.site.name for bare in jobs))

    def work(bare: Curve) -> Curve:
        name = bare.site.name
        return trace(bare, weights[name], metrics.get(name, Metric()))

    curves = []
    for done, curve in enumerate(parallel_map(work, jobs)):
        curves.append(curve)
        progress("curves", done + 1, len(jobs))
    return tuple(curves)


def check_names(formats: Sequence[str] | None) -> list[str]:
    """The allowed formats with ``dense`` first; unknown names are refused."""
    names = ["dense", *(f for f in (formats or FORMATS) if f != "dense")]
    for name in names:
        FORMATS[name]
    return names


def cheapest_curves(
    survey: Survey, formats: Sequence[str] | None = None, round_to: Step = 1
) -> tuple[Curve, ...]:
    """Curves without errors, from prices alone: whether a budget can be met needs no weights."""
    if isinstance(round_to, int) and round_to < 1:
        raise bad_value("round_to must be at least 1", round_to, "use 1, 8 or 16")
    names, nothing = check_names(formats), torch.zeros(0, dtype=torch.float64)
    priced = [
        (site, name, *worthwhile(site, name, step_at(site, round_to)))
        for site in survey.sites
        for name in names
        if FORMATS[name].refuses(site) is None
    ]
    return tuple(
        Curve(site, name, ranks, nothing, costs, 0.0, None)
        for site, name, ranks, costs in priced
        if len(ranks)
    )


def step_at(site: Site, round_to: Step) -> int:
    """What ranks of a site are multiples of. A rank of groups of one channel is as many channels as
    there are groups, which may be enough."""
    step = round_to if isinstance(round_to, int) else round_to(site)
    return step // math.gcd(step, site.groups) if site.lone else step


@torch.no_grad()
def trace(bare: Curve, weight: Tensor, metric: Metric) -> Curve:
    """The curve with its errors."""
    fmt = FORMATS[bare.format]
    state = fmt.analyse(bare.site, weight, metric)
    parts = metric.whiten(weight).flatten().split(CHUNK)
    energy = sum(float(part.double().square().sum()) for part in parts)
    return replace(bare, errors=fmt.errors(state, bare.ranks), energy=energy, left=state)


def worthwhile(site: Site, name: str, round_to: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Ranks at which the layer does not grow, with their costs."""
    ranks = rank_grid(FORMATS[name].rank_limits(site), round_to)
    costs = price_grid(site, name, ranks)
    if name == "dense":
        return ranks, costs
    dense = price_grid(site, "dense", torch.zeros(1, 0, dtype=torch.int64))
    # a table multiplies nothing, so that any chain in its place multiplies more
    guarded = [cost for cost in GUARDED if cost != "macs" or not only_looked_up(site)]
    fits = torch.stack([costs[cost] <= dense[cost] for cost in guarded]).all(0)
    fits &= costs["params"] < dense["params"]
    return ranks[fits], {cost: values[fits] for cost, values in costs.items()}


def rank_grid(limits: tuple[int, ...], round_to: int) -> Tensor:
    """All combinations of a few values a rank, ``(n, d)``; every value where they are few."""
    if not limits:
        return torch.zeros(1, 0, dtype=torch.int64)
    nodes = [_nodes(limit, round_to, NODES[len(limits)]) for limit in limits]
    axes = [torch.tensor(values, dtype=torch.int64) for values in nodes]
    return torch.cartesian_prod(*axes).reshape(-1, len(axes))


def _nodes(limit: int, step: int, count: int) -> list[int]:
    """Multiples of ``step`` up to ``limit``, thinned to an even spread in the logarithm."""
    multiples = limit // step
    if multiples <= count:
        return [step * k for k in range(1, multiples + 1)]
    return [step * k for k in sorted({round(multiples ** (i / (count - 1))) for i in range(count)})]


def price_grid(site: Site, name: str, ranks: Tensor) -> dict[str, Tensor]:
    """Every cost at every row of ranks, ``(n,)`` float64, by the same arithmetic as one row."""
    ops = FORMATS[name].ops(site, tuple(ranks.double().unbind(1)))
    return {
        cost: torch.as_tensor(COSTS[cost].total(ops), dtype=torch.float64)
        .expand(len(ranks))
        .clone()
        for cost in COSTS
    }


def relative(curve: Curve) -> Tensor:
    """Relative error of the weight in the metric (norm, not squared)."""
    return curve.errors.clamp_min(0).sqrt()


def plain_damage(curve: Curve) -> Tensor:
    """Squared error in the metric: the damage when nothing was measured on the network."""
    return curve.errors * (curve.energy if math.isfinite(curve.energy) else 0.0)
